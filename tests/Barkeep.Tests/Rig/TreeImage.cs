using System.IO.Hashing;
using System.Text;

namespace Barkeep.Tests.Rig;

/// <summary>
/// All that is in a directory, byte for byte: names, types, owners, modes, where links lead, contents. Two directories with equal images
/// are the same to a program that opens them.
/// </summary>
sealed class TreeImage
{
    readonly SortedDictionary<string, string> _items = new(StringComparer.Ordinal);

    /// <param name="except">Names of files whose content does not count.</param>
    public static async Task<TreeImage> TakeAsync(string root, params IReadOnlyCollection<string> except)
    {
        var image = new TreeImage();
        // Names in other bytes than UTF-8 come back mangled, and their files cannot be read by them.
        var listing = (await Command.RunAsync("find", root, "-mindepth", "1", "-printf", @"%P\t%y %m %U:%G %l\0")).Checked().Output;
        foreach (var line in listing.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            var (path, facts) = (line[..line.IndexOf('\t', StringComparison.Ordinal)], line[(line.IndexOf('\t', StringComparison.Ordinal) + 1)..]);
            var content = facts[0] == 'f' && !except.Contains(path) && !path.Contains('\uFFFD', StringComparison.Ordinal) ? Convert.ToHexString(XxHash128.Hash(await File.ReadAllBytesAsync(Path.Combine(root, path)))) : "";
            image._items.Add(path, $"{facts} {content}");
        }
        return image;
    }

    /// <summary>The differences, one line each; empty when both are equal.</summary>
    public string Differences(TreeImage other)
    {
        var text = new StringBuilder();
        foreach (var path in _items.Keys.Union(other._items.Keys).Order(StringComparer.Ordinal))
        {
            var (here, there) = (_items.GetValueOrDefault(path, "-"), other._items.GetValueOrDefault(path, "-"));
            if (here != there)
            {
                text.Append(path).Append(": ").Append(here).Append(" | ").Append(there).Append('\n');
            }
        }
        return text.ToString();
    }
}

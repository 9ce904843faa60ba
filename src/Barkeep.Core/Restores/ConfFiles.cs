using System.Collections.Frozen;
using System.Text;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>
/// The configuration files of a restored data directory as PostgreSQL would read them: postgresql.conf with what it
/// includes, then postgresql.auto.conf, without what an earlier restore's recovery was told; the last line of a name counts. Bytes that are not ASCII pass through unchanged.
/// </summary>
sealed class ConfFiles
{
    public const string Main = "postgresql.conf";
    public const string Auto = "postgresql.auto.conf";

    const int MaxDepth = 10;
    const long MaxLength = 16 << 20;

    readonly string _root;
    readonly HashSet<string> _known;
    readonly Dictionary<string, ConfLine> _effective = new(StringComparer.Ordinal);

    ConfFiles(string root, Manifest manifest)
    {
        _root = root;
        _known = [.. manifest.Entries.Where(static e => e.Kind is ManifestEntryKind.File or ManifestEntryKind.Inline && e.Length <= MaxLength).Select(static e => e.Path)];
        Directories = [.. manifest.Entries.Where(static e => e.Kind == ManifestEntryKind.Directory).Select(static e => e.Path)];
    }

    /// <summary>Whether postgresql.conf is there and includes nothing from outside the data directory.</summary>
    public bool IsSelfContained { get; private set; } = true;

    /// <summary>What the first include that leads outside, or to nothing, names; null when there is none.</summary>
    public string? Outside { get; private set; }

    /// <summary>Every line read, in order.</summary>
    public List<ConfLine> Lines { get; } = [];

    HashSet<string> Directories { get; }

    public static ConfFiles Read(string root, Manifest manifest)
    {
        var files = new ConfFiles(root, manifest);
        if (files._known.Contains(Main))
        {
            files.ReadFile(Main, 0);
        }
        else
        {
            files.IsSelfContained = false;
        }
        if (files._known.Contains(Auto))
        {
            files.ReadFile(Auto, 0);
        }
        return files;
    }

    /// <summary>The line that decides a setting; null when none sets it.</summary>
    public ConfLine? Find(string name) => _effective.TryGetValue(name, out var line) ? line : null;

    public bool Has(string path) => _known.Contains(path);

    public string ReadText(string path) => File.ReadAllText(Path.Combine(_root, path), Encoding.Latin1);

    void ReadFile(string path, int depth)
    {
        var texts = ReadText(path).Split('\n');
        var earlier = path == Auto ? RecoveryBlock.FindEarlier(texts) : FrozenSet<int>.Empty;
        for (var i = 0; i < texts.Length; i++)
        {
            if (earlier.Contains(i) || ConfLine.TryParse(path, i + 1, texts[i]) is not { } line)
            {
                continue;
            }
            Lines.Add(line);
            if (line.IsInclude)
            {
                Include(line, depth + 1);
            }
            else
            {
                _effective[line.Name] = line;
            }
        }
    }

    void Include(ConfLine line, int depth)
    {
        var slash = line.File.LastIndexOf('/');
        var path = slash < 0 ? line.Value : $"{line.File[..slash]}/{line.Value}";
        path = path.TrimEnd('/');
        var inside = !line.Value.StartsWith('/') && !path.Split('/').Contains("..") && depth < MaxDepth;
        if (inside && line.Name == "include_dir" && Directories.Contains(path))
        {
            foreach (var file in _known.Where(f => f.StartsWith(path + "/", StringComparison.Ordinal) && f.IndexOf('/', path.Length + 1) < 0
                && f.EndsWith(".conf", StringComparison.Ordinal) && f[path.Length + 1] != '.').Order(StringComparer.Ordinal))
            {
                ReadFile(file, depth);
            }
        }
        else if (inside && line.Name != "include_dir" && _known.Contains(path))
        {
            ReadFile(path, depth);
        }
        else if (!inside || line.Name != "include_if_exists")
        {
            IsSelfContained = false;
            Outside ??= line.Value;
        }
    }
}

using System.Text.RegularExpressions;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Architecture;

public sealed partial class LayerTests
{
    /// <summary>
    /// Which folder of src/Barkeep.Core may use which. Downwards only; the verbs know nothing of each other, and the
    /// executable composes them.
    /// </summary>
    static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Common"] = [],
        ["Wal"] = ["Common"],
        ["Storage"] = ["Common"],
        ["Repo"] = ["Storage", "Wal", "Common"],
        ["Configuration"] = ["Wal", "Common"],
        ["Postgres"] = ["Configuration", "Wal", "Common"],
        ["Hooks"] = ["Repo", "Configuration", "Wal", "Common"],
        ["Receiving"] = ["Hooks", "Repo", "Postgres", "Configuration", "Wal", "Storage", "Common"],
        ["Backups"] = ["Hooks", "Repo", "Postgres", "Configuration", "Wal", "Storage", "Common"],
        ["Health"] = ["Repo", "Postgres", "Configuration", "Wal", "Storage", "Common"],
        // Nor does a verification, nor looking for a target.
        ["Verification"] = ["Repo", "Wal", "Storage", "Common"],
        ["Targets"] = ["Repo", "Wal", "Common"],
        ["Setup"] = ["Repo", "Postgres", "Configuration", "Wal", "Storage", "Common"],
        // Neither a restore nor recovery needs a server.
        ["Fetching"] = ["Repo", "Configuration", "Wal", "Storage", "Common"],
        ["Restores"] = ["Repo", "Configuration", "Wal", "Storage", "Common"],
    };

    [Fact]
    public void Each_layer_uses_only_the_layers_below_it()
    {
        var upwards =
            from reference in CodeReferences.Of(typeof(Lsn).Assembly)
            let user = Layer(reference.From)
            where user is not null
            from used in CodeReferences.Types(reference.To)
            let layer = Layer(used)
            where layer is not null && layer != user && !(Allowed.TryGetValue(user, out var allowed) && allowed.Contains(layer))
            select $"{user}/{reference.From.Name} uses {layer}/{used.Name}";
        Assert.Empty(upwards.Distinct().Order());
    }

    [Fact]
    public void Each_file_is_in_the_namespace_of_its_folder_and_imports_only_layers_below()
    {
        var wrong = new List<string>();
        foreach (var (path, text) in SourceTree.Sources("src/Barkeep.Core"))
        {
            var folder = path.Split('/')[0];
            if (!Allowed.TryGetValue(folder, out var allowed))
            {
                wrong.Add($"{path}: {folder} is no layer");
                continue;
            }
            if (!text.Contains($"namespace Barkeep.{folder};", StringComparison.Ordinal))
            {
                wrong.Add($"{path}: not in namespace Barkeep.{folder}");
            }
            wrong.AddRange(Import().Matches(text).Select(import => import.Groups[1].Value)
                .Where(layer => layer != folder && !allowed.Contains(layer))
                .Select(layer => $"{path}: imports Barkeep.{layer}"));
        }
        Assert.Empty(wrong);
    }

    static string? Layer(Type type) => type.Namespace?.Split('.') is ["Barkeep", var layer, ..] && type.Assembly == typeof(Lsn).Assembly ? layer : null;

    [GeneratedRegex(@"^\s*(?:global )?using (?:static )?(?:\w+ = )?Barkeep\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Import();
}

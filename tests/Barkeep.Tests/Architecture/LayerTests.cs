using System.Text.RegularExpressions;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Architecture;

public sealed partial class LayerTests
{
    static readonly IReadOnlyList<(string[] Layers, string[] Uses)> Table =
    [
        // The first row is the executable, which composes the others.
        .. Markdown.Table("docs/architecture.md", "Layers").Skip(1).Select(static row => (Markdown.Names(row[0]).ToArray(), Markdown.Names(row[2]).ToArray())),
    ];

    /// <summary>Which folder of src/Barkeep.Core may use which, as docs/architecture.md says.</summary>
    static readonly Dictionary<string, string[]> Allowed = Table.SelectMany(static row => row.Layers.Select(layer => (layer, row.Uses))).ToDictionary();

    [Fact]
    public void Each_row_of_the_table_uses_only_rows_below_it_and_names_folders_that_there_are()
    {
        Assert.Equal(Directory.EnumerateDirectories(Path.Combine(SourceTree.Root, "src/Barkeep.Core")).Select(Path.GetFileName).Order(), Allowed.Keys.Order());
        var below = new HashSet<string>();
        foreach (var (layers, uses) in Table.Reverse())
        {
            Assert.Empty(uses.Except(below));
            below.UnionWith(layers);
        }
    }

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

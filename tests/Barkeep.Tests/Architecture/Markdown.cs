using System.Text.RegularExpressions;

namespace Barkeep.Tests.Architecture;

/// <summary>What tests read out of the documents, so that these cannot say another thing than the code does.</summary>
static partial class Markdown
{
    /// <summary>All documents that people write, by their paths in the checkout. bench/RESULTS.md is made from bench/notes.md.</summary>
    public static IReadOnlyList<string> Documents { get; } =
    [
        .. Directory.EnumerateFiles(SourceTree.Root, "*.md")
            .Concat(Directory.EnumerateFiles(Path.Combine(SourceTree.Root, "docs"), "*.md", SearchOption.AllDirectories))
            .Append(Path.Combine(SourceTree.Root, "bench/notes.md"))
            .Select(static path => Path.GetRelativePath(SourceTree.Root, path)),
    ];

    public static string Read(string document) => File.ReadAllText(Path.Combine(SourceTree.Root, document));

    /// <summary>The cells of each row of the first table below a heading, but for its head.</summary>
    public static IReadOnlyList<string[]> Table(string document, string heading)
    {
        var lines = Read(document).Split('\n');
        var start = Array.FindIndex(lines, line => line.TrimStart('#') == $" {heading}");
        return start < 0
            ? throw new ArgumentException($"{document} has no heading '{heading}'")
            : [.. lines.Skip(start).SkipWhile(static l => !l.StartsWith('|')).TakeWhile(static l => l.StartsWith('|')).Skip(2)
                .Select(static l => l.Trim().Trim('|').Split('|').Select(static c => c.Trim()).ToArray())];
    }

    /// <summary>What is set as code in a cell, in its order.</summary>
    public static IReadOnlyList<string> Names(string cell) => [.. Code().Matches(cell).Select(static m => m.Groups[1].Value)];

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}

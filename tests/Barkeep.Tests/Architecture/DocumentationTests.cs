using System.Text.RegularExpressions;
using Xunit;

namespace Barkeep.Tests.Architecture;

public sealed partial class DocumentationTests
{
    const int Columns = 120;

    [Fact]
    public void Every_path_of_the_sources_that_a_document_names_exists()
    {
        var missing =
            from document in Markdown.Documents
            from path in SourcePath().Matches(Markdown.Read(document)).Select(match => match.Value.TrimEnd('.', '/'))
            where !Path.Exists(Path.Combine(SourceTree.Root, path))
            select $"{document}: {path}";
        Assert.Empty(missing);
    }

    [Fact]
    public void No_line_of_prose_is_wider_than_120_columns()
    {
        var wide =
            from document in Markdown.Documents
            from line in Prose(Markdown.Read(document))
            where LinkTarget().Replace(line.Text, "").Length > Columns
            select $"{document}:{line.Number}: {line.Text.Length} columns";
        Assert.Empty(wide);
    }

    // Neither tables nor code can be wrapped.
    static IEnumerable<(int Number, string Text)> Prose(string document)
    {
        var isCode = false;
        foreach (var (index, line) in document.Split('\n').Index())
        {
            var text = line.TrimStart();
            var isFence = text.StartsWith("```", StringComparison.Ordinal);
            isCode ^= isFence;
            if (!isCode && !isFence && !text.StartsWith('|') && !line.StartsWith("    ", StringComparison.Ordinal))
            {
                yield return (index + 1, line);
            }
        }
    }

    [GeneratedRegex(@"(?<![\w/])(?:src|tests)/[\w./-]+")]
    private static partial Regex SourcePath();

    [GeneratedRegex(@"(?<=\])\([^)\s]+\)")]
    private static partial Regex LinkTarget();
}

using System.Text.RegularExpressions;
using Xunit;

namespace Barkeep.Tests.Architecture;

public sealed partial class DocumentationTests
{
    [Fact]
    public void Every_path_of_the_sources_that_a_document_names_exists()
    {
        var documents = Directory.EnumerateFiles(SourceTree.Root, "*.md")
            .Concat(Directory.EnumerateFiles(Path.Combine(SourceTree.Root, "docs"), "*.md", SearchOption.AllDirectories));
        var missing =
            from document in documents
            from path in SourcePath().Matches(File.ReadAllText(document)).Select(match => match.Value.TrimEnd('.', '/'))
            where !Path.Exists(Path.Combine(SourceTree.Root, path))
            select $"{Path.GetRelativePath(SourceTree.Root, document)}: {path}";
        Assert.Empty(missing);
    }

    [GeneratedRegex(@"(?<![\w/])(?:src|tests)/[\w./-]+")]
    private static partial Regex SourcePath();
}

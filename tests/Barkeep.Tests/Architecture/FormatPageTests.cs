using System.Reflection;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Barkeep.Repo;
using Xunit;

namespace Barkeep.Tests.Architecture;

/// <summary>docs/format.md says which records and which JSON files there are and what their keys are: all of them, and no others.</summary>
public sealed partial class FormatPageTests
{
    const string Page = "docs/format.md";

    [Fact]
    public void Every_kind_of_record_that_the_code_writes_is_on_the_page_with_its_keys()
    {
        var written = SourceTree.Sources("src/Barkeep.Core").SelectMany(static source => SealedIn(source.Path, source.Text));
        var told = Markdown.Table(Page, "Records").Select(static row => Line(Markdown.Names(row[0])[0], KeysOf(row[1])));
        Assert.Equal(written.Distinct().Order(), told.Order());
    }

    [Fact]
    public void Every_local_JSON_file_is_on_the_page_with_its_keys()
    {
        string[] written =
        [
            Line(".installation", KeysOf("Configuration", "ConfigJson", "Installation")),
            Line("server.json", KeysOf("Configuration", "ConfigJson", "SetupFile")),
            Line("collected.json", KeysOf("Keeping", "CollectionJson", "CollectionMemory")),
            Line("state.json", KeysOf("Received", "ReceiverJson", "ReceiverStatePayload")),
        ];
        var told = new Dictionary<string, List<string>>();
        foreach (var row in Markdown.Table(Page, "Local JSON files"))
        {
            // A row without a file goes on with the one above.
            if (row[0].Length > 0)
            {
                told.Add(Markdown.Names(row[0])[0], []);
            }
            told.Last().Value.AddRange(Markdown.Names(row[1]));
        }
        Assert.Equal(written.Order(), told.Select(static t => Line(t.Key, t.Value)).Order());
    }

    // The kind is a literal or a constant of the same file; the keys are those of the type that is serialized.
    static IEnumerable<string> SealedIn(string path, string text)
    {
        foreach (Match call in Sealing().Matches(text))
        {
            var kind = call.Groups["kind"] is { Success: true, Value: var literal }
                ? literal
                : Regex.Match(text, $@"const string {call.Groups["constant"].Value} = ""(.+)"";").Groups[1].Value;
            yield return Line(kind, KeysOf(path.Split('/')[0], call.Groups["context"].Value, call.Groups["type"].Value));
        }
    }

    static IEnumerable<string> KeysOf(string layer, string context, string type)
    {
        var contextType = typeof(Repository).Assembly.GetType($"Barkeep.{layer}.{context}", throwOnError: true)!;
        var instance = contextType.GetProperty("Default", BindingFlags.Public | BindingFlags.Static)!.GetValue(null);
        var info = (JsonTypeInfo)contextType.GetProperty(type)!.GetValue(instance)!;
        return info.Properties.Where(static p => p.Get is not null).Select(static p => p.Name);
    }

    // Many keys have a table of their own, to which the cell leads.
    static IEnumerable<string> KeysOf(string cell) => Link().Match(cell) is { Success: true } link
        ? Markdown.Table(Page, link.Groups[1].Value).SelectMany(static row => Markdown.Names(row[0]))
        : Markdown.Names(cell);

    static string Line(string name, IEnumerable<string> keys) => $"{name}: {string.Join(", ", keys.Order(StringComparer.Ordinal))}";

    [GeneratedRegex(@"\bRecord\.Seal\((?:""(?<kind>[^""]+)""|(?<constant>\w+)),.*?\b(?<context>\w+Json)\.Default\.(?<type>\w+)", RegexOptions.Singleline)]
    private static partial Regex Sealing();

    [GeneratedRegex(@"\[([^\]]+)\]\(#")]
    private static partial Regex Link();
}

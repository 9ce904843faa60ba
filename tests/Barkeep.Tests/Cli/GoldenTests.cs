using Barkeep.Tests.Architecture;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>What commands print, to the letter, over a repository that never changes: golden.txt is the transcript.</summary>
public sealed class GoldenTests(FixedRepository repository) : IClassFixture<FixedRepository>
{
    static readonly Dictionary<string, string> Transcript = Read();

    public static TheoryData<string> Commands => [.. Transcript.Keys];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task A_command_prints_what_the_transcript_says(string command)
    {
        var result = await repository.Rig.RunAsync(command.Split(' '));
        var exit = result.ExitCode == 0 ? "" : $"\n[exit {result.ExitCode}]";
        Assert.Equal(Transcript[command], result.Output.TrimEnd() + exit);
        Assert.Equal("", result.Error);
    }

    static Dictionary<string, string> Read()
    {
        var sections = File.ReadAllText(Path.Combine(SourceTree.Root, "tests/Barkeep.Tests/Cli/golden.txt")).Split("$ ", StringSplitOptions.RemoveEmptyEntries);
        return sections.Select(static s => s.Split('\n', 2)).ToDictionary(static s => s[0], static s => s[1].TrimEnd());
    }
}

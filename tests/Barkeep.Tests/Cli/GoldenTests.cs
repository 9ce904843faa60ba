using Barkeep.Tests.Architecture;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>
/// What commands print, to the letter, over a repository that never changes: golden.txt is the transcript. <c>./dev golden</c> writes it anew, for a person
/// to look at what has changed; a command whose line is added there gets its output.
/// </summary>
public sealed class GoldenTests(FixedRepository repository) : IClassFixture<FixedRepository>
{
    static readonly string Path = System.IO.Path.Combine(SourceTree.Root, "tests/Barkeep.Tests/Cli/golden.txt");
    static readonly Dictionary<string, string> Transcript = Read();

    public static TheoryData<string> Commands => [.. Transcript.Keys];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task A_command_prints_what_the_transcript_says(string command)
    {
        // On a copy: a command may write down what it has found.
        using var home = new Scratch("golden");
        (await Command.RunAsync("cp", "-a", $"{repository.Rig.Home}/.", home.Path)).Checked();
        repository.Rig.Environment["BARKEEP_HOME"] = home.Path;
        var result = await repository.Rig.RunAsync(command.Split(' '));
        var exit = result.ExitCode == 0 ? "" : $"\n[exit {result.ExitCode}]";
        var said = (result.Output + result.Error).Replace(home.Path, "HOME", StringComparison.Ordinal).Replace(repository.Rig.ConfigDirectory, "CONFIG", StringComparison.Ordinal);
        var printed = (said.TrimEnd() + exit).TrimStart('\n');
        if (Environment.GetEnvironmentVariable("BARKEEP_GOLDEN") == "write")
        {
            Transcript[command] = printed;
            await File.WriteAllTextAsync(Path, string.Join("\n", Transcript.Select(static t => $"$ {t.Key}\n{t.Value}\n")));
        }
        Assert.Equal(Transcript[command], printed);
    }

    static Dictionary<string, string> Read()
    {
        var sections = File.ReadAllText(Path).Split("$ ", StringSplitOptions.RemoveEmptyEntries);
        return sections.Select(static s => s.Split('\n', 2)).ToDictionary(static s => s[0], static s => s[1].TrimEnd());
    }
}

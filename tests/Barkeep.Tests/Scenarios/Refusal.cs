using System.Security.Cryptography;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>What a refused command must be like.</summary>
static class Refusal
{
    /// <summary>Runs a command that must be refused: with the kind's exit code, one line that holds the text, and everything as it was.</summary>
    /// <returns>The line.</returns>
    public static async Task<string> RefusedAsync(this BarkeepRig rig, ErrorKind kind, string text, params IEnumerable<string> line)
    {
        var before = Snapshot(rig);
        var result = await rig.RunAsync(line);
        Assert.True((int)kind == result.ExitCode, $"expected {(int)kind} ({kind}): {result}");
        var errors = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var error = Assert.Single(errors, static e => e.StartsWith("ERROR: ", StringComparison.Ordinal));
        Assert.All(errors, static e => Assert.Matches("^(ERROR|WARNING): ", e));
        Assert.Contains(text, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Output + result.Error, StringComparison.Ordinal);
        Assert.Equal(before, Snapshot(rig));
        return error;
    }

    /// <summary>All files that a command may not touch when it refuses, with their hashes. Not the receiver's, which goes on, and neither locks nor logs.</summary>
    public static SortedDictionary<string, string> Snapshot(BarkeepRig rig)
    {
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var root in new[] { rig.Home, rig.RestoreDirectory, rig.ConfigDirectory })
        {
            foreach (var path in Directory.EnumerateFileSystemEntries(root, "*", SearchOption.AllDirectories))
            {
                if (!path.Contains("/streaming", StringComparison.Ordinal) && !path.Contains("/log", StringComparison.Ordinal)
                    && !path.Contains("/wal", StringComparison.Ordinal) && !path.EndsWith(".lock", StringComparison.Ordinal))
                {
                    files[path] = Directory.Exists(path) ? "directory" : Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)));
                }
            }
        }
        return files;
    }
}

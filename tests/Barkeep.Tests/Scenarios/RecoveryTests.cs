using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Servers that get their WAL through a restore_command while they recover.</summary>
public sealed class RecoveryTests(RecoveryBench bench)
{
    const string Piped = "get-wal -P montagu %f > %p";
    const string Direct = "wal-restore -P montagu %f %p";
    const string Ahead = "wal-restore -P --parallel 4 montagu %f %p";

    static readonly IEnumerable<string> AllRows = Enumerable.Range(1, RecoveryBench.Rows).Select(static i => $"{i}");

    public static TheoryData<string> Commands => [Piped, Direct, Ahead];

    public static TheoryData<string, Harm> Harms =>
    [
        .. Enum.GetValues<Harm>().Select(static harm => (Piped, harm)),
        .. new[] { Harm.Vanished, Harm.OneByte, Harm.RepositoryGone }.Select(static harm => (Direct, harm)),
    ];

    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    public enum Harm
    {
        Vanished,
        Truncated,
        OneByte,
        Swapped,
        Unreadable,
        RepositoryGone,
        Unconfigured,
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task A_server_recovers_to_the_last_row_and_nothing_is_left_beside_it(string command)
    {
        await using var copy = await bench.CopyAsync();
        await using var server = await copy.RestoreAsync(command);
        Assert.Equal(AllRows, await RecoveryBench.Copy.RowsAsync(server));
        // What was fetched ahead goes when the server is through, and its process with it.
        await Eventually.IsTrueAsync(() => !Directory.Exists(Path.Combine(server.DataDirectory, "pg_wal/barkeep-prefetch")), "nothing is left of what was fetched ahead");
        await Eventually.IsTrueAsync(() => copy.Rig.Processes("prefetch-wal").Count == 0, "nobody fetches ahead");
    }

    [Fact]
    public async Task Without_the_part_of_a_segment_recovery_ends_with_the_last_complete_one()
    {
        await using var copy = await bench.CopyAsync();
        await using var server = await copy.RestoreAsync("get-wal montagu %f > %p");
        Assert.Equal(AllRows.SkipLast(1), await RecoveryBench.Copy.RowsAsync(server));
    }

    [Theory]
    [MemberData(nameof(Harms))]
    public async Task R10_a_server_that_cannot_have_its_wal_stops_and_does_not_open(string command, Harm harm)
    {
        await using var copy = await bench.CopyAsync();
        await using var server = await copy.RestoreAsync(command);
        var repair = await DoAsync(harm, copy);
        var log = await RecoveryBench.Copy.StopsAsync(server);
        Assert.Contains("FATAL:  could not restore file", log, StringComparison.Ordinal);
        Assert.Contains("child process exited with exit code 2", log, StringComparison.Ordinal);

        // When it is there again, nothing has been lost.
        repair();
        Assert.Equal(AllRows, await RecoveryBench.Copy.RowsAsync(server));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task R10_every_version_takes_our_codes_for_trouble_and_1_for_the_end_of_WAL(int version)
    {
        await using var source = await TestCluster.StartNewAsync(version);
        using var backup = new HandMadeBackup(source);
        await source.SqlAsync("CREATE TABLE t AS SELECT 1 AS i");
        await backup.TakeAsync();
        foreach (var (code, opens) in new[] { (1, true), ((int)ErrorKind.BadWalName, true), (200 + (int)ErrorKind.Failed, false), (200 + (int)ErrorKind.Damaged, false), (byte.MaxValue, false) })
        {
            var target = await source.NewDirectoryAsync($"restored{code}");
            await RestoreJob.RunAsync(new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target, RestoreCommand = $"exit {code}" }, null, default);
            await using var restored = await TestCluster.OnDirectoryAsync(target, source);
            if (opens)
            {
                Assert.Equal(["1"], await RecoveryBench.Copy.RowsAsync(restored));
            }
            else
            {
                Assert.Contains($"child process exited with exit code {code}", await RecoveryBench.Copy.StopsAsync(restored), StringComparison.Ordinal);
            }
        }
    }

    /// <returns>What makes it good again.</returns>
    static async Task<Action> DoAsync(Harm harm, RecoveryBench.Copy copy)
    {
        var stored = await copy.StoredAsync();
        var (path, other) = (stored[^4], stored[^3]);
        var bytes = await File.ReadAllBytesAsync(path);
        switch (harm)
        {
            case Harm.Vanished:
                File.Move(path, path + ".away");
                return () => File.Move(path + ".away", path);
            case Harm.Unreadable:
                File.SetUnixFileMode(path, UnixFileMode.None);
                return () => File.SetUnixFileMode(path, UnixFileMode.UserRead);
            case Harm.RepositoryGone:
                Directory.Move(copy.Rig.Home, copy.Rig.Home + ".away");
                return () => Directory.Move(copy.Rig.Home + ".away", copy.Rig.Home);
            case Harm.Unconfigured:
                // The server's name is wrong, as it were.
                Directory.Move(Path.Combine(copy.Rig.Home, "montagu"), Path.Combine(copy.Rig.Home, "elsewhere"));
                File.Move(Path.Combine(copy.Rig.ConfigDirectory, "montagu.json"), Path.Combine(copy.Rig.ConfigDirectory, "elsewhere.json"));
                return () =>
                {
                    Directory.Move(Path.Combine(copy.Rig.Home, "elsewhere"), Path.Combine(copy.Rig.Home, "montagu"));
                    File.Move(Path.Combine(copy.Rig.ConfigDirectory, "elsewhere.json"), Path.Combine(copy.Rig.ConfigDirectory, "montagu.json"));
                };
            default:
                byte[] harmed = harm switch
                {
                    Harm.Truncated => bytes[..^100],
                    Harm.Swapped => await File.ReadAllBytesAsync(other),
                    _ => [.. bytes[..^50], (byte)~bytes[^50], .. bytes[^49..]],
                };
                await File.WriteAllBytesAsync(path, harmed);
                return () => File.WriteAllBytes(path, bytes);
        }
    }
}

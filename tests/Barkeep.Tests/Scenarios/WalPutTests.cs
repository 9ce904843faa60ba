using System.Security.Cryptography;
using System.Text;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Receiving;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>WAL that comes by an archive_command: put-wal and wal-archive.</summary>
public sealed class WalPutTests
{
    static string Environment(BarkeepRig rig) => string.Join(' ', rig.Environment.Select(static v => $"{v.Key}={v.Value}"));

    static string[] Archiving(BarkeepRig rig) =>
        ["archive_mode = on", $"archive_command = 'env {Environment(rig)} {rig.LinkDirectory}/barman wal-archive montagu %p'"];

    static WalPut PutOf(Reception reception, Repository repository) => new(repository, _ => reception.Spool, new(reception.Config, reception.Locations, NullLogger.Instance, TimeProvider.System), NullLogger.Instance);

    static Task<Repository> OpenAsync(Reception reception) => Repository.OpenAsync(reception.Locations.RepositoryDirectory(reception.Config.Name), default);

    static WalFileName Name(string text) => WalFileName.TryParse(text, out var name) ? name : throw new ArgumentException(text);

    /// <summary>The server's own files of complete segments, in order.</summary>
    static async Task<IReadOnlyList<string>> CompleteAsync(TestCluster cluster)
    {
        var current = await cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())");
        await cluster.SqlAsync("SELECT pg_switch_wal()");
        return [.. Directory.EnumerateFiles(Path.Combine(cluster.DataDirectory, "pg_wal")).Where(f => Path.GetFileName(f).Length == 24 && string.CompareOrdinal(Path.GetFileName(f), current) <= 0).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task An_archive_command_beside_the_stream_puts_the_same_bytes_and_never_fails()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Rig.RunAsPostgresAsync();
        (await bench.Rig.RunAsync("setup-barman", "--no-initial-backup")).Checked();
        await bench.Cluster.ConfigureAsync(Archiving(bench.Rig));
        await bench.Cluster.RestartAsync();
        for (var i = 0; i < 4; i++)
        {
            await bench.Cluster.SqlAsync("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS i; INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
        }
        // What pg_basebackup archives: the segments, and a file that tells of the backup.
        (await bench.Cluster.RunAsync("pg_basebackup", "--pgdata", await bench.Cluster.NewDirectoryAsync("copy"), "--checkpoint=fast", "--wal-method=none")).Checked();
        await bench.Cluster.SqlAsync("INSERT INTO t VALUES (2)");
        var last = await bench.Cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())");
        await Eventually.IsTrueAsync(async () => await bench.Cluster.ScalarAsync<bool>($"SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver"), "everything is archived");
        Assert.Equal(0, await bench.Cluster.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver"));
        var check = await bench.BarmanAsync("check", "montagu");
        Assert.Contains("archiver errors: OK", check.Output, StringComparison.Ordinal);
        Assert.Contains("receive-wal running: OK", check.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task W5_two_servers_restored_from_one_backup_write_one_timeline_and_only_the_first_is_taken()
    {
        await using var bench = await CommandBench.StartAsync(new() { Configuration = ["autovacuum = off"] });
        await bench.Rig.RunAsPostgresAsync();
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT 0 AS i");
        (await bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        await bench.Cluster.KillAsync();
        await using var one = await RestoreAsync(bench, "one");
        await using var two = await RestoreAsync(bench, "two");

        // The first archives; handing over the same segment again is well.
        await one.StartAsync();
        await one.RecoveredAsync();
        await one.SqlAsync("INSERT INTO t VALUES (1)");
        var name = await one.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())");
        await Eventually.IsTrueAsync(async () => await one.ScalarAsync<bool>($"SELECT coalesce(last_archived_wal >= '{name}', false) FROM pg_stat_archiver"), "the first server's WAL is archived");
        var path = Path.Combine(one.DataDirectory, "pg_wal", name);
        (await bench.BarmanAsync("wal-archive", "montagu", path)).Checked();
        var taken = await File.ReadAllBytesAsync(path);

        // The second: the same name, other bytes.
        await two.StartAsync();
        await two.RecoveredAsync();
        await two.SqlAsync("INSERT INTO t VALUES (2)");
        Assert.Equal(name, await two.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())"));
        await Eventually.IsTrueAsync(async () => await two.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver") > 1, "the second server's WAL is refused");
        var refused = await bench.RefusedAsync(ErrorKind.WalDiverged, name, "barman", "wal-archive", "montagu", Path.Combine(two.DataDirectory, "pg_wal", name));
        Assert.Contains("conflicts/", refused, StringComparison.Ordinal);

        // Both are here, once each; the first under its name; and everybody is told.
        var got = await bench.Rig.RunAsync("barman", "get-wal", "-o", bench.Rig.RestoreDirectory, "montagu", name);
        got.Checked();
        Assert.Equal(taken, await File.ReadAllBytesAsync(Path.Combine(bench.Rig.RestoreDirectory, name)));
        var conflict = Assert.Single(Directory.EnumerateFiles(bench.Rig.Home, $"{name}-*", SearchOption.AllDirectories));
        var check = await bench.BarmanAsync("check", "montagu");
        Assert.NotEqual(0, check.ExitCode);
        Assert.Contains($"archiver errors: FAILED (1 WAL files were refused because they contradict what was here, the first {name}", check.Output, StringComparison.Ordinal);

        // Streamed instead of archived it is refused as well.
        bench.Configure(("port", two.Port));
        await two.SqlAsync($"SELECT pg_create_physical_replication_slot('other', true)");
        bench.Configure(("port", two.Port), ("slot_name", "other"));
        await using var receiver = bench.Rig.Start("barman", "receive-wal", "montagu");
        await receiver.PrintsAsync("differs from what was received before");

        // Whoever has settled it, by ending one of them, removes the other bytes, and is told no more.
        await two.KillAsync();
        await Eventually.IsTrueAsync(() => bench.Rig.Processes("wal-archive").Count == 0, "nobody hands over anything");
        File.Delete(conflict);
        Assert.Contains("archiver errors: OK", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task W8_a_segment_whose_name_could_not_be_flushed_is_not_taken_for_archived_when_it_is_found_there()
    {
        await using var bench = await CommandBench.StartAsync();
        (await bench.Rig.RunAsync("setup-barman", "--no-initial-backup")).Checked();
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT 1 AS i; SELECT pg_switch_wal(); INSERT INTO t VALUES (2)");
        var paths = (await CompleteAsync(bench.Cluster)).TakeLast(2).ToArray();
        (await bench.BarmanAsync("wal-archive", "montagu", paths[0])).Checked();
        var directory = Path.GetDirectoryName(Assert.Single(Directory.EnumerateFiles(Path.Combine(bench.Rig.Home, "montagu/repository"), Path.GetFileName(paths[0]), SearchOption.AllDirectories), static f => f.Contains("/wal/", StringComparison.Ordinal)))!;

        var fault = new Strace("fsync:error=EIO", directory);
        string[] archive = ["barman", "wal-archive", "montagu", paths[1]];
        Assert.Equal((int)ErrorKind.Storage, (await bench.Rig.RunAsync(fault, archive)).ExitCode);
        Assert.True(File.Exists(Path.Combine(directory, Path.GetFileName(paths[1]))));
        Assert.Equal((int)ErrorKind.Storage, (await bench.Rig.RunAsync(fault, archive)).ExitCode);
        (await bench.Rig.RunAsync(archive)).Checked();
    }

    static async Task<TestCluster> RestoreAsync(CommandBench bench, string name)
    {
        var target = Path.Combine(bench.Rig.RestoreDirectory, name);
        (await bench.BarmanAsync("restore", "montagu", "latest", target)).Checked();
        await File.AppendAllLinesAsync(Path.Combine(target, "postgresql.auto.conf"), Archiving(bench.Rig));
        return await TestCluster.OnDirectoryAsync(target, bench.Cluster);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task What_others_put_beyond_a_hole_does_not_keep_the_receiver_from_filling_it(int received)
    {
        await using var reception = await Reception.PrepareAsync();
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.WriteAsync(received);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();

        // The receiver is down; of the six segments that come meanwhile somebody hands over the fifth.
        await reception.WriteAsync(6);
        var files = await CompleteAsync(reception.Cluster);
        var put = PutOf(reception, await OpenAsync(reception));
        Assert.Equal(WalPutOutcome.Stored, await put.PutAsync(Name(Path.GetFileName(files[^2])), await File.ReadAllBytesAsync(files[^2]), null, default));
        Assert.Equal(WalPutOutcome.AlreadyThere, await put.PutAsync(Name(Path.GetFileName(files[^2])), await File.ReadAllBytesAsync(files[^2]), null, default));

        reception.Start();
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.True(await reception.AssertEqualsServerAsync() >= files.Count - 1);
    }

    [Fact]
    public async Task A_hole_that_the_server_cannot_fill_is_a_gap_up_to_what_others_have_put()
    {
        await using var reception = await Reception.PrepareAsync(new() { Configuration = ["max_wal_size = 4MB", "min_wal_size = 2MB", "wal_keep_size = 0"] });
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();
        await reception.Cluster.SqlAsync($"SELECT pg_drop_replication_slot('{Reception.Slot}')");
        await reception.WriteAsync(6);
        var files = await CompleteAsync(reception.Cluster);
        var kept = files.TakeLast(2).Select(f => (Name: Name(Path.GetFileName(f)), Content: File.ReadAllBytes(f))).ToList();
        await reception.WriteAsync(2);
        await reception.Cluster.SqlAsync("CHECKPOINT");
        await Eventually.IsTrueAsync(() => !File.Exists(files[^2]), "the server has removed what was put");
        var put = PutOf(reception, await OpenAsync(reception));
        foreach (var (name, content) in kept)
        {
            await put.PutAsync(name, content, null, default);
        }

        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.CaughtUpAsync();
        var gaps = await reception.Lineage.Wal.ListGapsAsync(default);
        Assert.True(gaps.Count > 0 && kept[0].Name.Segment.Start(reception.Size) == gaps[0].To, $"{string.Join('\n', gaps)}\n{reception.Log}");
        // What lies behind is either here or another gap, never both.
        var stored = (await reception.Lineage.Wal.ListSegmentsAsync(default)).Where(s => !s.IsPartial).Select(s => s.Name).ToList();
        Assert.All(stored, s => Assert.DoesNotContain(gaps, g => g.From < s.End(reception.Size) && g.To > s.Start(reception.Size)));
        Assert.Contains(kept[1].Name.Segment, stored);
    }

    [Fact]
    public async Task What_is_put_is_checked_and_what_is_derived_from_it_is_there()
    {
        await using var reception = await Reception.PrepareAsync();
        await reception.WriteAsync(3);
        var files = await CompleteAsync(reception.Cluster);
        var put = PutOf(reception, await OpenAsync(reception));
        var (first, second) = (Name(Path.GetFileName(files[0])), Name(Path.GetFileName(files[1])));
        var bytes = await File.ReadAllBytesAsync(files[0]);

        // Not what its name says, cut off, with a flipped bit, of another cluster.
        var refused = new Func<Task<WalPutOutcome>>[]
        {
            () => put.PutAsync(second, bytes, null, default),
            () => put.PutAsync(first, bytes[..^1], null, default),
            () => put.PutAsync(first, [], null, default),
            () => put.PutAsync(first, [.. bytes[..5000], (byte)(bytes[5000] ^ 4), .. bytes[5001..]], null, default),
            () => put.PutAsync(first, new byte[bytes.Length], null, default),
            () => put.PutAsync(Name("00000002.history"), "nonsense"u8.ToArray(), null, default),
            () => put.PutAsync(Name("00000002.history"), [], null, default),
        };
        foreach (var attempt in refused)
        {
            Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<BarkeepException>(attempt)).Kind);
        }
        byte[] foreign = [.. bytes[..24], .. new byte[8], .. bytes[32..]];
        Assert.Equal(ErrorKind.WrongSystem, (await Assert.ThrowsAsync<BarkeepException>(() => put.PutAsync(first, foreign, null, default))).Kind);
        Assert.Empty(await reception.Lineage.Wal.ListSegmentsAsync(default));
        Assert.Empty(await reception.Lineage.Wal.ListConflictsAsync(default));

        // Sound ones, and what they change.
        foreach (var file in files)
        {
            await put.PutAsync(Name(Path.GetFileName(file)), await File.ReadAllBytesAsync(file), null, default);
        }
        Assert.True(await reception.AssertEqualsServerAsync() >= 3);
        Assert.NotNull(await reception.Lineage.Wal.TryGetChangesAsync(second.Segment, default));
        Assert.Equal(WalPutOutcome.NotKept, await put.PutAsync(Name($"{first}.00000028.backup"), "START WAL LOCATION"u8.ToArray(), null, default));
    }

    [Fact]
    public async Task A_history_that_cannot_be_true_is_refused_and_kept_apart()
    {
        await using var reception = await Reception.PrepareAsync();
        var put = PutOf(reception, await OpenAsync(reception));
        var wal = reception.Lineage.Wal;
        Task<WalPutOutcome> PutAsync(uint timeline, string content) => put.PutAsync(Name(new TimelineId(timeline).HistoryFileName), Encoding.ASCII.GetBytes(content), null, default);

        // A child knows where its parent came from, whichever of them is here first.
        Assert.Equal(WalPutOutcome.Stored, await PutAsync(3, "1\t0/40000100\tno recovery target specified\n\n2\t0/50000000\tno recovery target specified\n"));
        await wal.PutSegmentAsync(SegmentName.Of(new(6), reception.Size.NumberOf(new(0x40000000)), reception.Size), new MemoryStream(new byte[reception.Size.Bytes]), default);
        foreach (var (timeline, content, why) in new[]
        {
            (2u, "1\t0/40000200\t", "it knows another origin of timeline 2 than the history of timeline 3"),
            (4u, "2\t0/60000000\t", "it knows another origin of timeline 2 than"),
            (5u, "1\t0/40000100\t\n2\t0/48000000\t\n3\t0/60000000\t", "it knows another origin of timeline 3 than"),
            (6u, "1\t0/70000000\t", "lies before that"),
            (7u, "1\t0/100\t", "timeline 1 cannot have been left at 0/100"),
        })
        {
            var refusal = await Assert.ThrowsAsync<BarkeepException>(() => PutAsync(timeline, content));
            Assert.Equal(ErrorKind.WalDiverged, refusal.Kind);
            Assert.Contains(why, refusal.Message, StringComparison.Ordinal);
            Assert.Contains($"conflicts/{new TimelineId(timeline).HistoryFileName}", refusal.Message, StringComparison.Ordinal);
        }
        Assert.Equal([new(3)], await wal.ListHistoriesAsync(default));
        Assert.Equal(5, (await wal.ListConflictsAsync(default)).Count);

        // What agrees is taken, branches of one timeline too.
        Assert.Equal(WalPutOutcome.Stored, await PutAsync(2, "1\t0/40000100\t"));
        Assert.Equal(WalPutOutcome.AlreadyThere, await PutAsync(2, "1\t0/40000100\t"));
        Assert.Equal(WalPutOutcome.Stored, await PutAsync(4, "1\t0/40000100\t\n2\t0/48000000\t"));
        Assert.Equal(WalPutOutcome.Stored, await PutAsync(6, "1\t0/40000080\t"));
    }

    [Fact]
    public async Task A_stored_segment_that_has_rotted_does_not_keep_the_next_one_out()
    {
        await using var reception = await Reception.PrepareAsync();
        await reception.WriteAsync(3);
        var files = await CompleteAsync(reception.Cluster);
        var put = PutOf(reception, await OpenAsync(reception));
        var (first, second) = (Name(Path.GetFileName(files[0])), Name(Path.GetFileName(files[1])));
        await put.PutAsync(first, await File.ReadAllBytesAsync(files[0]), null, default);
        await reception.RotAsync(first.Segment);
        Assert.Equal(WalPutOutcome.Stored, await put.PutAsync(second, await File.ReadAllBytesAsync(files[1]), null, default));
        Assert.Equal(await File.ReadAllBytesAsync(files[1]), await reception.StoredAsync(second.Segment));
    }

    [Fact]
    public async Task The_end_of_a_timeline_is_taken_from_an_archive_command_and_from_the_stream_in_either_order()
    {
        await using var reception = await Reception.PrepareAsync();
        await reception.WriteAsync(1);
        var files = await CompleteAsync(reception.Cluster);
        var whole = await File.ReadAllBytesAsync(files[^1]);
        var segment = Name(Path.GetFileName(files[^1])).Segment;
        var intake = new PartialIntake(reception.Lineage);
        var valid = await intake.ValidLengthAsync(segment, whole.AsMemory(0, whole.Length / 8), default);

        // As much as was streamed; more of the same by an archive_command; then the shorter again.
        Assert.True(await intake.PutAsync(segment, whole, valid, default));
        Assert.False(await intake.PutAsync(segment, whole, valid, default));
        byte[] longer = [.. whole[..(whole.Length / 4)], .. RandomNumberGenerator.GetBytes(whole.Length - (whole.Length / 4))];
        var put = PutOf(reception, await OpenAsync(reception));
        Assert.Equal(WalPutOutcome.Stored, await put.PutAsync(Name($"{segment}.partial"), longer, null, default));
        Assert.Equal(WalPutOutcome.AlreadyThere, await put.PutAsync(Name($"{segment}.partial"), longer, null, default));
        Assert.False(await intake.PutAsync(segment, whole, valid, default));
        var stored = await reception.StoredAsync(segment, partial: true);
        Assert.InRange(stored.Length, valid, whole.Length / 4);
        Assert.Equal(whole[..stored.Length], stored);
    }
}

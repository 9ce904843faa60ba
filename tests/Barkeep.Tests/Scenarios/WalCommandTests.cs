using System.IO.Compression;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Fetching;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>The commands that hand WAL out, take it, and say what there is of it.</summary>
public sealed class WalCommandTests(SetUpServer server) : IClassFixture<SetUpServer>
{
    const int Trouble = 200;

    CommandBench Bench => server.Bench;

    async Task<IReadOnlyList<SegmentName>> StoredAsync()
    {
        var lineage = (await Repository.OpenAsync(Path.Combine(Bench.Rig.Home, "montagu", "repository"), default)).Current!;
        return [.. (await lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name)];
    }

    static string ObjectOf(BarkeepRig rig, SegmentName name) => Directory.EnumerateFiles(Path.Combine(rig.Home, "montagu", "repository"), name.ToString(), SearchOption.AllDirectories).Single(static p => p.Contains("/wal/", StringComparison.Ordinal));

    // What it prints are bytes.
    static async Task<(CommandResult Result, byte[] Bytes)> ToFileAsync(BarkeepRig rig, string line)
    {
        using var scratch = new Scratch("wal");
        var file = Path.Combine(scratch.Path, "out");
        var result = await Command.RunAsync(["sh", "-c", $"{rig.LinkDirectory}/barman {line} > {file}"], rig.Environment.ToDictionary(static v => v.Key, static v => (string?)v.Value), Eventually.Deadline);
        return (result, await File.ReadAllBytesAsync(file));
    }

    [Fact]
    public async Task Get_wal_hands_out_the_bytes_that_the_server_wrote()
    {
        var name = (await StoredAsync())[^1];
        var written = await File.ReadAllBytesAsync(Path.Combine(Bench.Cluster.DataDirectory, "pg_wal", $"{name}"));
        var (result, bytes) = await ToFileAsync(Bench.Rig, $"get-wal montagu {name}");
        result.Checked();
        Assert.Equal(written, bytes);
        Assert.Equal("", result.Error);

        Assert.Equal(written, (await ToFileAsync(Bench.Rig, $"-f json get-wal montagu {name}")).Bytes);

        // Compressed for the way, and into a directory.
        using var scratch = new Scratch("wal");
        (await Bench.BarmanAsync("get-wal", "--gzip", "--output-directory", scratch.Path, "montagu", $"{name}")).Checked();
        await using var expanding = new GZipStream(File.OpenRead(Assert.Single(Directory.GetFiles(scratch.Path))), CompressionMode.Decompress);
        using var expanded = new MemoryStream();
        await expanding.CopyToAsync(expanded);
        Assert.Equal(written, expanded.ToArray());
    }

    [Fact]
    public async Task Get_wal_hands_out_a_segment_that_is_not_complete_only_when_asked_and_filled_up_with_zeros()
    {
        await Bench.Cluster.SqlAsync("CREATE TABLE IF NOT EXISTS tail (i int); INSERT INTO tail VALUES (1)");
        var current = await Bench.Cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_lsn())");
        var spool = Assert.Single(Directory.GetDirectories(Path.Combine(Bench.Rig.Home, "montagu", "streaming")));
        await Eventually.IsTrueAsync(() => File.Exists(Path.Combine(spool, current)) && new FileInfo(Path.Combine(spool, current)).Length > 0, "the tail is here");
        Assert.Equal(1, (await Bench.BarmanAsync("get-wal", "montagu", current)).ExitCode);
        var (result, bytes) = await ToFileAsync(Bench.Rig, $"get-wal -P montagu {current}");
        result.Checked();
        Assert.Equal(1 << 20, bytes.Length);
        var written = await File.ReadAllBytesAsync(Path.Combine(Bench.Cluster.DataDirectory, "pg_wal", current));
        var end = Array.FindLastIndex(bytes, static b => b != 0) + 1;
        Assert.Equal(written[..end], bytes[..end]);
        Assert.True(end > PageHeader.LongSize);
    }

    [Fact]
    public async Task Get_wal_says_that_WAL_ends_only_where_it_does()
    {
        var last = (await StoredAsync())[^1];
        var size = new SegmentSize(1 << 20);
        var later = SegmentName.Of(last.Timeline, last.Number(size) + 100, size);
        foreach (var missing in (string[])[$"{later}", "00000002.history", "00000001.history", $"{last}.00000028.backup"])
        {
            var result = await Bench.BarmanAsync("get-wal", "montagu", missing);
            Assert.Equal((1, $"ERROR: WAL file '{missing}' not found in server 'montagu'\n"), (result.ExitCode, result.Error));
        }
        // Everything else must not look like it to PostgreSQL, to which 1 to 125 are the end of WAL. Barman's own code for a bad name is 3.
        Assert.Equal(3, (await Bench.BarmanAsync("get-wal", "montagu", "nonsense")).ExitCode);
        Assert.Equal(Trouble + (int)ErrorKind.UnknownServer, (await Bench.BarmanAsync("get-wal", "nobody", $"{last}")).ExitCode);
        Assert.Equal(Trouble + (int)ErrorKind.Usage, (await Bench.BarmanAsync("get-wal", "--nonsense", "montagu", $"{last}")).ExitCode);
        Assert.Equal(Trouble + (int)ErrorKind.Usage, (await Bench.BarmanAsync("get-wal", "montagu")).ExitCode);
        Assert.Equal(Trouble + (int)ErrorKind.WrongSystem, (await Bench.BarmanAsync("get-wal", "--system-id", "1", "montagu", $"{last}")).ExitCode);
        Assert.Equal(Trouble + (int)ErrorKind.Usage, (await Bench.BarmanAsync("wal-restore", "montagu", $"{last}")).ExitCode);
    }

    [Fact]
    public async Task Get_wal_peeks_and_tests_as_Barman_does()
    {
        var stored = await StoredAsync();
        var peeked = (await Bench.BarmanAsync("get-wal", "--peek", "2", "montagu", $"{stored[0]}")).Checked();
        Assert.Equal(stored.Take(2).Select(static n => $"{n}"), peeked.OutputLines);
        Assert.Equal(1, (await Bench.BarmanAsync("get-wal", "-p", "2", "montagu", "0000000100000FFF000000FF")).ExitCode);
        Assert.Equal("Ready to retrieve WAL files from the server montagu\n", (await Bench.BarmanAsync("get-wal", "--test", "montagu", "anything")).Checked().Output);
        Assert.Equal("Ready to accept WAL files for the server montagu\n", (await Bench.BarmanAsync("put-wal", "--test", "montagu")).Checked().Output);
    }

    [Fact]
    public async Task Put_wal_takes_the_tar_that_Barmans_clients_send()
    {
        await using var copy = await server.CopyAsync();
        var name = (await StoredAsync())[^1];
        using var scratch = new Scratch("put");
        File.Copy(Path.Combine(Bench.Cluster.DataDirectory, "pg_wal", $"{name}"), Path.Combine(scratch.Path, $"{name}"));
        File.Delete(ObjectOf(copy, name));
        foreach (var (sum, list, exit) in new[] { ("md5sum", "MD5SUMS", 0), ("sha256sum", "SHA256SUMS", 0), ("sha256sum", "NOSUMS", (int)ErrorKind.Damaged), ("sed 's/^/0/' | md5sum", "MD5SUMS", (int)ErrorKind.Damaged) })
        {
            var script = $"cd {scratch.Path} && cat {name} | {sum} | sed 's/-$/{name}/; s/  / */' > {list} && tar -c {name} {list} | {copy.LinkDirectory}/barman put-wal montagu";
            var result = await Command.RunAsync(["sh", "-c", script], copy.Environment.ToDictionary(static v => v.Key, static v => (string?)v.Value), Eventually.Deadline);
            Assert.True(exit == result.ExitCode, $"{list}: {result}");
            Assert.True(File.Exists(ObjectOf(copy, name)));
        }
    }

    [Fact]
    public async Task Archive_wal_puts_what_is_complete_in_the_spool_into_the_repository()
    {
        await using var copy = await server.CopyAsync();
        var name = (await StoredAsync())[^1];
        var spool = Assert.Single(Directory.GetDirectories(Path.Combine(copy.Home, "montagu", "streaming")));
        foreach (var tail in Directory.GetFiles(spool))
        {
            File.Delete(tail);
        }
        (await copy.RunAsync("barman", "get-wal", "-o", spool, "montagu", $"{name}")).Checked();
        File.Delete(ObjectOf(copy, name));

        // The scripts around archiving run as the receiver runs them.
        var file = Path.Combine(copy.ConfigDirectory, "montagu.json");
        var config = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        var calls = Path.Combine(copy.Home, "calls");
        config["pre_archive_retry_script"] = "exit 63";
        await File.WriteAllTextAsync(file, config.ToJsonString());
        Assert.Equal((int)ErrorKind.Failed, (await copy.RunAsync("barman", "archive-wal", "montagu")).ExitCode);
        Assert.Single(Directory.GetFiles(spool));
        config["pre_archive_retry_script"] = $"echo pre $BARMAN_SEGMENT >> {calls}";
        config["post_archive_script"] = $"echo post $(stat -c %s $BARMAN_FILE) >> {calls}";
        await File.WriteAllTextAsync(file, config.ToJsonString());
        var result = (await copy.RunAsync("barman", "archive-wal", "montagu")).Checked();
        Assert.Equal([$"pre {name}", "post 1048576"], await File.ReadAllLinesAsync(calls));
        Assert.Equal($"Processing xlog segments from streaming for montagu (batch size: 1)\n\t{name}\n", result.Output);
        Assert.True(File.Exists(ObjectOf(copy, name)));
        Assert.Empty(Directory.GetFiles(spool));
        Assert.Equal("No xlog segments found from streaming for montagu.\n", (await copy.RunAsync("barman", "archive-wal", "montagu")).Checked().Output);
    }

    [Fact]
    public async Task Check_archived_wal_range_names_what_is_missing()
    {
        await using var copy = await server.CopyAsync();
        var stored = await StoredAsync();
        var well = (await copy.RunAsync("barman", "check-archived-wal-range", "montagu", $"{stored[0]}", $"{stored[^1]}")).Checked();
        Assert.Equal("\tWAL sequence check for server montagu: no missing segments\n", well.Output);
        File.Delete(ObjectOf(copy, stored[1]));
        var result = await copy.RunAsync("barman", "check-archived-wal-range", "montagu", $"{stored[0]}", $"{stored[^1]}");
        Assert.Equal((1, $"\tWAL sequence check for server montagu: 1 missing segment(s):\n\t\t{stored[1]}\n"), (result.ExitCode, result.Output));
        var json = JsonNode.Parse((await copy.RunAsync("barman", "-f", "json", "check-archived-wal-range", "montagu", $"{stored[0]}", $"{stored[^1]}")).Output)!["montagu"]!;
        Assert.Equal($"{stored[1]}", (string?)json["missing_wals"]![0]);
        Assert.Equal(3, (await copy.RunAsync("barman", "check-archived-wal-range", "montagu", "x", $"{stored[^1]}")).ExitCode);
        Assert.Equal(2, (await copy.RunAsync("barman", "check-archived-wal-range", "montagu", $"{stored[^1]}", $"{stored[0]}")).ExitCode);

        // And recovery does not take the hole for the end.
        Assert.Equal(Trouble + (int)ErrorKind.WalGap, (await copy.RunAsync("barman", "get-wal", "-P", "montagu", $"{stored[1]}")).ExitCode);
    }

    [Fact]
    public async Task Check_wal_archive_passes_where_a_timeline_meets_no_other()
    {
        Assert.Equal("WAL archive check for server montagu passed\n", (await Bench.BarmanAsync("check-wal-archive", "--timeline", "2", "montagu")).Checked().Output);
        foreach (var line in (string[][])[["check-wal-archive", "montagu"], ["check-wal-archive", "--timeline", "1", "montagu"]])
        {
            var result = await Bench.BarmanAsync(line);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("WAL archive check failed for server montagu", result.Error, StringComparison.Ordinal);
        }
        Assert.StartsWith("Done rebuilding xlogdb for server montagu (history: 0, backup_labels: 0, wal_file: ", (await Bench.BarmanAsync("rebuild-xlogdb", "all")).Checked().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wal_restore_hands_over_what_lies_at_hand_however_it_is_said_and_refuses_what_it_refuses_otherwise()
    {
        using var data = new Scratch("data");
        await using var copy = await server.CopyAsync();
        var name = (await StoredAsync())[0];
        Directory.CreateDirectory(Path.Combine(data.Path, "global"));
        File.Copy(Path.Combine(Bench.Cluster.DataDirectory, "global/pg_control"), Path.Combine(data.Path, "global/pg_control"));
        var (destination, elsewhere) = (Path.Combine(data.Path, "pg_wal/RECOVERYXLOG"), Path.Combine(data.Path, "elsewhere"));
        // As a prefetcher at work has it, but for other bytes: they tell where it came from.
        byte[] atHand = [.. Enumerable.Repeat((byte)7, 1 << 20)];
        foreach (var root in (string?[])[null, elsewhere])
        {
            var place = PrefetchPlace.Of(RecoveringServer.TryFind(data.Path)!, root, Path.Combine(copy.Home, "montagu/repository"));
            place.Want(name);
            using var served = DutyLock.TryTake(place.Lock);
            string[] said = root is null
                ? ["", "-P", "--partial -p 4", "--parallel 4 -P", "--parallel=4", "-P true", "-q", "--system-id " + place.Directory.Split('/')[^1].Split('-')[0]]
                : [$"--spool-dir {root}", $"-P --spool-dir {root} -p 1000", $"--spool-dir={root}"];
            foreach (var options in said)
            {
                place.Put(name, atHand);
                (await RunAsync($"{options} montagu {name} pg_wal/RECOVERYXLOG")).Checked();
                var got = await File.ReadAllBytesAsync(destination);
                Assert.True(atHand.AsSpan().SequenceEqual(got), options);
                Assert.False(place.Has(name));
                Assert.Equal(name, place.TryReadWish()?.Name);
                File.Delete(destination);
            }
            place.Put(name, atHand);
            foreach (var (line, kind) in new[]
            {
                ($"--nonsense montagu {name} pg_wal/RECOVERYXLOG", ErrorKind.Usage),
                ($"montagu {name} pg_wal/RECOVERYXLOG more", ErrorKind.Usage),
                ($"montagu {name}", ErrorKind.Usage),
                ($"-p x montagu {name} pg_wal/RECOVERYXLOG", ErrorKind.Usage),
                ($"-p 1001 montagu {name} pg_wal/RECOVERYXLOG", ErrorKind.Usage),
                ($"-p 1 -p 2 montagu {name} pg_wal/RECOVERYXLOG", ErrorKind.Usage),
                ($"--spool-dir {root} --spool-dir", ErrorKind.Usage),
                ($"nobody {name} pg_wal/RECOVERYXLOG", ErrorKind.UnknownServer),
                ($"--system-id 1 montagu {name} pg_wal/RECOVERYXLOG", ErrorKind.WrongSystem),
            })
            {
                var refused = await RunAsync(line);
                Assert.True(Trouble + (int)kind == refused.ExitCode, $"{line}: {refused}");
                Assert.False(File.Exists(destination));
                Assert.True(place.Has(name));
            }
            Assert.Equal((int)ErrorKind.BadWalName, (await RunAsync("montagu nonsense pg_wal/RECOVERYXLOG")).ExitCode);

            // Who wants nothing at hand gets the repository's, and so does everybody when whoever has laid it down is gone.
            (await RunAsync($"-p 0 montagu {name} pg_wal/RECOVERYXLOG")).Checked();
            Assert.NotEqual(atHand, await File.ReadAllBytesAsync(destination));
            served!.Dispose();
            File.Delete(destination);
            (await RunAsync($"{(root is null ? "" : $"--spool-dir {root}")} montagu {name} pg_wal/RECOVERYXLOG")).Checked();
            Assert.NotEqual(atHand, await File.ReadAllBytesAsync(destination));
            File.Delete(destination);
        }

        Task<CommandResult> RunAsync(string line) =>
            Command.RunAsync(["sh", "-c", $"cd {data.Path} && {copy.LinkDirectory}/barman wal-restore {line}"], copy.Environment.ToDictionary(static v => v.Key, static v => (string?)v.Value), Eventually.Deadline);
    }

    [Fact]
    public async Task Receive_wal_says_what_to_do_about_a_slot_that_exists_and_that_there_is_nothing_to_stop()
    {
        var exists = await Bench.BarmanAsync("receive-wal", "--create-slot", "montagu");
        Assert.Equal((int)ErrorKind.ServerError, exists.ExitCode);
        Assert.Contains("--if-not-exists takes it as it is", exists.Error, StringComparison.Ordinal);
        (await Bench.BarmanAsync("receive-wal", "--create-slot", "--if-not-exists", "montagu")).Checked();
        await using var copy = await server.CopyAsync();
        Assert.Equal("No receiver of server 'montagu' is running\n", (await copy.RunAsync("barman", "receive-wal", "--stop", "montagu")).Checked().Output);
    }

    [Fact]
    public async Task Replication_status_shows_the_receiver_from_both_ends()
    {
        var text = (await Bench.BarmanAsync("replication-status", "montagu")).Checked().Output;
        foreach (var line in (string[])["Status of streaming clients for server 'montagu':", "  Number of streaming clients: 1", "  1. Async WAL streamer", "     Application name: barman_receive_wal", "  Barkeep's receiver: streaming", "     Flushed here    : "])
        {
            Assert.Contains(line, text, StringComparison.Ordinal);
        }
        Assert.Contains("W:", (await Bench.BarmanAsync("replication-status", "--minimal", "montagu")).Checked().Output, StringComparison.Ordinal);
        Assert.Contains("  No hot standby servers attached", (await Bench.BarmanAsync("replication-status", "--target", "hot-standby", "montagu")).Checked().Output, StringComparison.Ordinal);
        var json = JsonNode.Parse((await Bench.BarmanAsync("-f", "json", "replication-status", "--source", "wal-host", "montagu")).Checked().Output)!["montagu"]!;
        Assert.Equal("barman_receive_wal", (string?)json["streaming_clients"]![0]!["application_name"]);
        Assert.True((bool)json["own_streamer"]!["running"]!);
    }
}

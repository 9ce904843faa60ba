using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class ProcessCommandTests
{
    [Fact]
    public async Task The_receiver_is_listed_and_terminated_and_cron_starts_another()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        var receiver = Assert.Single(bench.Rig.Processes("receive-wal"));
        var listed = (await bench.BarmanAsync("list-processes", "montagu")).Checked();
        Assert.Equal(["Active subprocesses for server montagu:", string.Create(CultureInfo.InvariantCulture, $"{receiver} receive-wal")], listed.OutputLines);
        var json = JsonNode.Parse((await bench.BarmanAsync("-f", "json", "list-processes", "montagu")).Checked().Output)!;
        Assert.Equal(receiver, json["montagu"]![0]!["pid"]!.GetValue<int>());
        Assert.Contains($"{receiver}", (await bench.BarmanAsync("lock-directory-cleanup")).Checked().Output, StringComparison.Ordinal);

        (await bench.BarmanAsync("terminate-process", "montagu", "receive-wal")).Checked();
        Assert.Empty(bench.Rig.Processes("receive-wal"));
        Assert.Equal(["No active subprocesses found for server montagu"], (await bench.BarmanAsync("list-processes", "montagu")).Checked().OutputLines);
        var nobody = await bench.BarmanAsync("terminate-process", "montagu", "receive-wal");
        Assert.Equal(1, nobody.ExitCode);

        (await bench.BarmanAsync("cron")).Checked();
        await Eventually.IsTrueAsync(() => bench.Rig.Processes("receive-wal") is [var other] && other != receiver, "cron starts another receiver");
    }

    [Fact]
    public async Task A_process_id_that_a_lock_file_was_left_with_is_not_believed()
    {
        await using var bench = await CommandBench.StartAsync();
        // Nobody holds the lock; what it says is a process that is somebody else's.
        await File.WriteAllTextAsync(Path.Combine(bench.Rig.Home, ".montagu-backup.lock"), $"{Environment.ProcessId}\n");
        Assert.Equal(["No active subprocesses found for server montagu"], (await bench.BarmanAsync("list-processes", "montagu")).Checked().OutputLines);
        Assert.Equal(1, (await bench.BarmanAsync("terminate-process", "montagu", "backup")).ExitCode);
    }
}

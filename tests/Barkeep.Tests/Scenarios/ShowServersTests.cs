using System.Text.Json.Nodes;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class ShowServersTests
{
    [Fact]
    public async Task A_server_is_shown_as_it_is_now_and_as_it_is_configured_when_it_is_down()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        var live = await ShowAsync(bench);
        Assert.Equal(bench.Cluster.DataDirectory, (string?)live["data_directory"]);
        Assert.Equal((string?)live["systemid"], (string?)live["postgres_systemid"]);
        Assert.Equal(1, (int)live["timeline"]!);
        Assert.False((bool)live["is_in_recovery"]!);
        Assert.Equal("active", (string?)live["replication_slot"]);
        Assert.Contains($"\twal_level: {live["wal_level"]}", (await bench.BarmanAsync("show-servers", "montagu")).Checked().OutputLines);

        await bench.Cluster.StopAsync();
        var down = await ShowAsync(bench);
        Assert.Contains("cannot be reached", (string?)down["connection_error"], StringComparison.Ordinal);
        Assert.Null(down["wal_level"]);
        Assert.Equal((string?)live["systemid"], (string?)down["systemid"]);
        Assert.Equal(bench.Cluster.Port, (int)down["port"]!);
    }

    static async Task<JsonNode> ShowAsync(CommandBench bench) =>
        JsonNode.Parse((await bench.BarmanAsync("-f", "json", "show-servers", "montagu")).Checked().Output)!["montagu"]!;
}

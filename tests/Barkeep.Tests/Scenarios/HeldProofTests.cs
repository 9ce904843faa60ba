using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Receiving;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Whether a server's WAL goes on from what is here.</summary>
public sealed class HeldProofTests
{
    [Fact]
    public async Task A_segment_that_comes_slowly_is_compared_to_its_end()
    {
        await using var reception = await ReceivedAsync();
        await using var relay = new TcpRelay(reception.Cluster.Port) { Slowness = TimeSpan.FromMilliseconds(400) };
        var before = relay.BytesToClients;
        // Sixteen parts take longer together than an answer may, and each a small part of that.
        var target = ConnectionTarget.ForStreaming(reception.Config with { Port = relay.Port }) with { CommandTimeout = TimeSpan.FromSeconds(5) };
        await CheckAsync(reception, target, new LogLines());
        Assert.True(relay.BytesToClients - before >= reception.Size.Bytes);
    }

    [Fact]
    public async Task A_stored_segment_that_has_rotted_proves_nothing_and_does_not_keep_the_receiver_from_starting()
    {
        await using var reception = await ReceivedAsync();
        var log = new LogLines();
        await reception.RotAsync(await LastAsync(reception));
        await CheckAsync(reception, ConnectionTarget.ForStreaming(reception.Config), log);
        Assert.Contains($"Warning: {await LastAsync(reception)} cannot be compared", log.ToString(), StringComparison.Ordinal);
    }

    static async Task<Reception> ReceivedAsync()
    {
        var reception = await Reception.PrepareAsync();
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();
        return reception;
    }

    static async Task<SegmentName> LastAsync(Reception reception) => (await reception.Lineage.Wal.ListSegmentsAsync(default))[^1].Name;

    static async Task CheckAsync(Reception reception, ConnectionTarget target, LogLines log)
    {
        var last = await LastAsync(reception);
        await HeldProof.CheckAsync(target, reception.Lineage, last.Timeline, last.End(reception.Size), "", log, TestContext.Current.CancellationToken);
    }
}

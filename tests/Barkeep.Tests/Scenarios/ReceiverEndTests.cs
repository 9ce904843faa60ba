using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Receiving;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>What a receiver leaves behind that ends before it has begun.</summary>
public sealed class ReceiverEndTests
{
    [Fact]
    public async Task A_receiver_that_ends_early_leaves_what_an_earlier_one_has_heard()
    {
        await using var reception = await Reception.PrepareAsync();
        reception.Start();
        await reception.StateAsync(static s => s is { Phase: ReceiverPhase.Streaming, ServerTimeline: not null }, "the server's timeline is known");
        await reception.StopAsync();
        var (cluster, timeline) = (reception.Lineage.Identity.SystemId, reception.State!.ServerTimeline);

        // Asked to stop as soon as it is started.
        await RunAsync(reception, new(canceled: true));
        Assert.Equal((cluster, timeline), (reception.State!.SystemId, reception.State.ServerTimeline));

        // Its repository is not mounted.
        var repository = reception.Locations.RepositoryDirectory(reception.Config.Name);
        Directory.Move(repository, $"{repository}-elsewhere");
        await Assert.ThrowsAsync<BarkeepException>(() => RunAsync(reception, default));
        Assert.Equal((cluster, timeline), (reception.State!.SystemId, reception.State.ServerTimeline));
        Directory.Move($"{repository}-elsewhere", repository);

        // A newer program has written what this one cannot read.
        const string Newer = "{\"version\":2}";
        var path = reception.Locations.ReceiverStateFile(reception.Config.Name);
        await File.WriteAllTextAsync(path, Newer);
        Assert.Equal(ErrorKind.NewerRepository, (await Assert.ThrowsAsync<BarkeepException>(() => RunAsync(reception, default))).Kind);
        Assert.Equal(Newer, await File.ReadAllTextAsync(path));
    }

    static Task RunAsync(Reception reception, CancellationToken stop) => new WalReceiver(reception.Config, reception.Locations, TimeProvider.System, new LogLines()).RunAsync(stop);
}

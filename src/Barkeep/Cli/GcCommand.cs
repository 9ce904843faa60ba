using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;

namespace Barkeep.Cli;

/// <summary><c>gc</c>: removes what no backup needs any more. cron does it too, when there may be something.</summary>
sealed class GcCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _dryRun = CommonArguments.DryRun();

    public GcCommand()
        : base("gc", "Give back the space of what no backup needs any more.")
    {
        Add(_servers);
        Add(_dryRun);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), server => parse.GetValue(_dryRun)
            ? PlanAsync(session, server, cancellationToken)
            : RunAsync(session, server, cancellationToken));

    static async Task<int> PlanAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        _ = session.ReadSetUp(server);
        var collector = new Collector(await session.OpenRepositoryAsync(server, cancellationToken), server, session.Locations);
        var plans = await collector.PlanAsync(cancellationToken);
        var json = CollectionReport.Plan(session, plans);
        var hold = await collector.FindHoldAsync(cancellationToken);
        session.Output.Line($"{new ByteSize(plans.Sum(static p => p.FreedLength))} would be freed on server {server}{(hold is null ? "" : $", but not now: {hold.Reason}")}");
        json["held"] = hold?.Reason;
        session.Output.Result(server, json);
        return 0;
    }

    static async Task<int> RunAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        _ = session.ReadSetUp(server);
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        await CatalogCleaning.TryRunAsync(repository, server, session.Locations, session.Time, cancellationToken);
        var collector = new Collector(repository, server, session.Locations) { Hooks = session.HooksOf(session.Config.Read(server)) };
        var result = await collector.RunAsync(Collector.DefaultBudget, cancellationToken);
        CollectionReport.Tell(session, server, result);
        session.Output.Result(server, CollectionReport.Json(result));
        return result.Hold is { Kind: ErrorKind.Damaged } damage ? throw new BarkeepException(damage.Kind, damage.Reason, "nothing has been removed") : 0;
    }
}

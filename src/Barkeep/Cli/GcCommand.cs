using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Backups;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Cli;

/// <summary><c>gc</c>: removes what no backup needs any more. cron does it too, when there may be something.</summary>
sealed class GcCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _dryRun = new("--dry-run") { Description = "say what would go, and why; remove nothing" };

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
        var rows = new JsonArray();
        void Tell(string what, long bytes, string why)
        {
            session.Output.Line($"{what} ({new ByteSize(bytes)}): {why}");
            rows.Add((JsonNode)new JsonObject { ["object"] = what, ["bytes"] = bytes, ["reason"] = why });
        }
        foreach (var plan in plans)
        {
            foreach (var pack in plan.Unneeded)
            {
                Tell($"pack {pack}", pack.StoredLength, "no backup needs a page of it");
            }
            foreach (var pack in plan.Superseded)
            {
                Tell($"pack {pack}", pack.StoredLength, "it was written anew");
            }
            foreach (var sparse in plan.Sparse)
            {
                Tell($"pack {sparse.Pack}", sparse.Pack.StoredLength - sparse.NeededLength, string.Create(CultureInfo.InvariantCulture, $"{sparse.Needed.Count} of its {sparse.Pages} pages are needed, and are to be written anew"));
            }
            foreach (var segment in plan.Segments)
            {
                Tell($"WAL {segment.Name}{(segment.IsPartial ? ".partial" : "")}", segment.StoredLength, "it ends before the oldest backup begins");
            }
        }
        var hold = await collector.FindHoldAsync(cancellationToken);
        session.Output.Line($"{new ByteSize(plans.Sum(static p => p.FreedLength))} would be freed on server {server}{(hold is null ? "" : $", but not now: {hold.Reason}")}");
        session.Output.Result(server, new JsonObject { ["garbage"] = rows, ["freed_bytes"] = plans.Sum(static p => p.FreedLength), ["held"] = hold?.Reason });
        return 0;
    }

    static async Task<int> RunAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        _ = session.ReadSetUp(server);
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        await CatalogCleaning.TryRunAsync(repository, server, session.Locations, session.Time, cancellationToken);
        var collector = new Collector(repository, server, session.Locations);
        var result = await collector.RunAsync(Collector.DefaultBudget, cancellationToken);
        CollectionReport.Tell(session, server, result);
        session.Output.Result(server, CollectionReport.Json(result));
        return result.Hold is { Kind: ErrorKind.Damaged } damage ? throw new BarkeepException(damage.Kind, damage.Reason, "nothing has been removed") : 0;
    }
}

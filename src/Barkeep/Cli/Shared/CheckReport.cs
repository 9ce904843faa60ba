using System.Text.Json.Nodes;
using Barkeep.Configuration;
using Barkeep.Health;
using Barkeep.Keeping;

namespace Barkeep.Cli.Shared;

/// <summary>Checks a server and says what was found.</summary>
static class CheckReport
{
    public static async Task<(HealthFacts Facts, IReadOnlyList<Finding> Findings)> GatherAsync(Session session, ServerConfig config, CancellationToken cancellationToken)
    {
        var facts = await new HealthProbe(config, session.Locations, session.Time).GatherAsync(cancellationToken);
        if (facts.RepositoryFailure is null)
        {
            var collector = new Collector(await session.OpenRepositoryAsync(config.Name, cancellationToken), config.Name, session.Locations);
            facts = facts with { CollectionDamage = await collector.FindDamageAsync(cancellationToken) };
        }
        return (facts, Checklist.Judge(facts));
    }

    public static void Print(Session session, ServerName server, IReadOnlyList<Finding> findings)
    {
        session.Output.Line($"Server {server}:");
        foreach (var finding in findings)
        {
            session.Output.Line($"\t{finding}");
        }
        session.Output.Result(server, ToJson(findings));
    }

    public static JsonObject ToJson(IReadOnlyList<Finding> findings)
    {
        var json = new JsonObject();
        foreach (var finding in findings)
        {
            json[finding.Key] = new JsonObject { ["hint"] = finding.Hint ?? "", ["status"] = finding.Status };
        }
        return json;
    }
}

using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;

namespace Barkeep.Cli.Shared;

/// <summary>Says what a collection did.</summary>
static class CollectionReport
{
    public static void Tell(Session session, ServerName server, CollectionResult result)
    {
        if (result.Removed.Count + result.Rewritten.Count + result.Segments.Count > 0)
        {
            session.Output.Info(string.Create(
                CultureInfo.InvariantCulture,
                $"Collected on server {server}: {result.Removed.Count} packs removed, {result.Rewritten.Count} written anew, {result.Segments.Count} WAL segments removed; {new ByteSize(result.FreedLength)} freed"));
        }
        foreach (var finding in result.Findings)
        {
            session.Output.Warning($"server {server}: {finding}");
        }
        if (result.Hold is { Kind: not ErrorKind.Damaged } hold)
        {
            session.Output.Info($"Nothing can be removed on server {server} now: {hold.Reason}; cron does it later");
        }
        else if (!result.IsFinished)
        {
            session.Output.Info($"More is left to be done on server {server}; cron goes on with it");
        }
    }

    /// <summary>Says what collections would remove, and why.</summary>
    /// <returns>The same as JSON.</returns>
    public static JsonObject Plan(Session session, IReadOnlyList<CollectionPlan> plans)
    {
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
            foreach (var (segment, why) in plan.Segments)
            {
                Tell($"WAL {segment.Name}{(segment.IsPartial ? ".partial" : "")}", segment.StoredLength, why);
            }
        }
        return new() { ["garbage"] = rows, ["freed_bytes"] = plans.Sum(static p => p.FreedLength) };
    }

    /// <summary>Backups that would be removed, and why, as JSON.</summary>
    public static JsonArray Backups(IEnumerable<(BackupId Id, string Reason)> backups) =>
        [.. backups.Select(static b => (JsonNode)new JsonObject { ["backup_id"] = b.Id.ToString(), ["reason"] = b.Reason })];

    public static JsonObject Json(CollectionResult result) => new()
    {
        ["freed_bytes"] = result.FreedLength,
        ["removed_packs"] = result.Removed.Count,
        ["rewritten_packs"] = result.Rewritten.Count,
        ["removed_wals"] = result.Segments.Count,
        ["finished"] = result.IsFinished,
        ["held"] = result.Hold?.Reason,
    };
}

using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Configuration;

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
            session.Output.Info($"More is left to be written anew on server {server}; cron goes on with it");
        }
    }

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

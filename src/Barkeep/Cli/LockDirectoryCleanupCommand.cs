using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>lock-directory-cleanup</c>: there is nothing to clean, since a lock ends with its process; says which are held.</summary>
sealed class LockDirectoryCleanupCommand() : SessionCommand("lock-directory-cleanup", "Say which locks are held: none is ever stale.")
{
    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var held = new JsonArray();
        foreach (var server in session.Config.ListServers())
        {
            foreach (var duty in Duty.Of(session.Locations, server))
            {
                if (duty.FindProcess() is { } pid)
                {
                    session.Output.Line($"{duty.LockFile} is held by process {pid}");
                    held.Add((JsonNode)new JsonObject { ["file"] = duty.LockFile, ["pid"] = pid });
                }
            }
        }
        session.Output.Result("held", held);
        session.Output.Info("There is nothing to clean up: a lock ends with its process, and its file stays for the next one");
        return Task.FromResult(0);
    }
}

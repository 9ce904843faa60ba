using System.CommandLine;
using Barkeep.Cli.Processes;
using Barkeep.Common;
using Barkeep.Configuration;
using Microsoft.Extensions.Logging;

namespace Barkeep.Cli;

/// <summary>
/// <c>serve</c>: the container's long-running process. It stays, collects orphans, and does every minute what <c>cron</c> does,
/// once a server is set up; before that it leaves every database alone. The work is done by children, so that nothing
/// that goes wrong there ends the container.
/// </summary>
sealed class ServeCommand() : SessionCommand("serve", "Stay up and run cron every minute: the container's main process.")
{
    static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    // A container's runtime kills after 10 seconds, by default.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        ProcessTree.AdoptOrphans();
        session.Output.Info($"Barkeep serves {session.Locations.Home}{(IsAnySetUp(session) ? "" : "; no server is set up yet: run setup-barman")}");
        int? cron = null;
        var due = session.Time.GetTimestamp();
        while (!cancellationToken.IsCancellationRequested)
        {
            ProcessTree.Reap((pid, status) =>
            {
                session.Log.LogDebug("Process {Pid} has ended with wait status {Status}", pid, status);
                cron = pid == cron ? null : cron;
            });
            if (cron is null && session.Time.GetTimestamp() >= due && IsAnySetUp(session))
            {
                cron = StartCron(session);
                due = session.Time.GetTimestamp() + (long)(Minute.TotalSeconds * session.Time.TimestampFrequency);
            }
            await Task.Delay(Tick, session.Time, cancellationToken).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
        await ProcessTree.EndChildrenAsync(Patience);
        return 0;
    }

    // The home's directories tell it: configuration may be broken without serve caring.
    static bool IsAnySetUp(Session session) => SetupFile.ListServers(session.Locations).Count > 0;

    static int? StartCron(Session session)
    {
        try
        {
            return OwnProgram.StartChild("cron");
        }
        catch (BarkeepException e)
        {
            session.Log.LogError("cron cannot be started, and is tried again in a minute: {Error}", e.Line);
            return null;
        }
    }
}

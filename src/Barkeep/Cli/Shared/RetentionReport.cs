using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>Enforces a server's retention policy and says what goes, or says what would go.</summary>
static class RetentionReport
{
    /// <summary>What cannot be done now is said, and is no failure: cron has other things to do.</summary>
    public static async Task EnforceAsync(Session session, ServerConfig config, Repository repository, CancellationToken cancellationToken)
    {
        var duty = new RetentionDuty(
            repository, config, session.Locations, session.HooksWhileLockedOf(config),
            id => session.Output.Info($"Enforcing retention policy: removing backup {id} for server {config.Name}"));
        var obsolete = await duty.FindObsoleteAsync(cancellationToken);
        if (obsolete.Count == 0)
        {
            return;
        }
        try
        {
            var result = await duty.RunAsync(obsolete, cancellationToken);
            foreach (var (id, reason) in result.Refused)
            {
                session.Output.Info($"Skipping delete of backup {id} for server {config.Name} {reason}");
            }
            CollectionReport.Tell(session, config.Name, result);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.Busy)
        {
            session.Output.Warning($"the retention policy of server {config.Name} is not enforced: {e.Line}");
        }
    }

    /// <summary>Every backup with what becomes of it, and what would be removed with those that go.</summary>
    public static async Task<int> PlanAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        var config = session.Config.Read(server);
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        var duty = new RetentionDuty(repository, config, session.Locations);
        var verdicts = await RetentionDuty.JudgeAsync(repository, config, cancellationToken);
        var obsolete = RetentionDuty.Obsolete(verdicts);
        session.Output.Line($"Server {server}, retention policy {config.Retention}:");
        foreach (var verdict in verdicts)
        {
            session.Output.Line($"backup {verdict.Backup.Id} {(verdict.Status == RetentionStatus.Obsolete ? "would go" : "stays")}: {verdict.Reason}");
        }
        var plans = await duty.PlanAsync(obsolete, cancellationToken);
        var json = CollectionReport.Plan(session, plans);
        var hold = await new Collector(repository, server, session.Locations).FindHoldAsync(cancellationToken);
        session.Output.Line($"{new ByteSize(plans.Sum(static p => p.FreedLength))} would be freed on server {server}{(hold is null ? "" : $", but not now: {hold.Reason}")}");
        json["backups"] = CollectionReport.Backups(obsolete.Select(static v => (v.Backup.Id, v.Reason)));
        json["held"] = hold?.Reason;
        session.Output.Result(server, json);
        return 0;
    }
}

using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>Lets go what a server's retention policy does not want. For cron.</summary>
/// <param name="removing">Is told of each backup that is about to be removed.</param>
public sealed class RetentionDuty(Repository repository, ServerConfig server, Locations locations, HookScripts? hooks = null, Action<BackupId>? removing = null)
{
    readonly Collector _collector = new(repository, server.Name, locations) { Hooks = hooks, Removing = removing };

    /// <summary>Judges every backup; reads the heads of all manifests.</summary>
    /// <exception cref="Common.BarkeepException">NewerRepository, Storage.</exception>
    public static async Task<IReadOnlyList<RetentionVerdict>> JudgeAsync(Repository repository, ServerConfig server, CancellationToken cancellationToken)
    {
        var lineages = new List<RetentionLineage>();
        foreach (var lineage in repository.Lineages)
        {
            lineages.Add(await RetentionLineage.ReadAsync(lineage, cancellationToken));
        }
        return Retention.Judge(server.Retention, server.MinimumRedundancy, lineages);
    }

    /// <summary>The backups that are to go now, oldest first. While backups or restores run there are none: the next time will do.</summary>
    public async Task<IReadOnlyList<RetentionVerdict>> FindObsoleteAsync(CancellationToken cancellationToken) =>
        server.Retention.IsNone || await _collector.FindHoldAsync(cancellationToken) is not null ? [] : Obsolete(await JudgeAsync(repository, server, cancellationToken));

    /// <summary>What would be removed, of each lineage, if those backups went.</summary>
    /// <exception cref="Common.BarkeepException">Damaged: a manifest cannot be read. NewerRepository, Storage.</exception>
    public Task<IReadOnlyList<CollectionPlan>> PlanAsync(IEnumerable<RetentionVerdict> obsolete, CancellationToken cancellationToken) =>
        _collector.PlanAsync(Removals(obsolete), cancellationToken);

    /// <summary>Removes those backups and what they needed alone. One that has been kept since it was judged stays.</summary>
    /// <exception cref="Common.BarkeepException">Damaged: a manifest cannot be read, and nothing is removed; Busy; NewerRepository, Storage.</exception>
    public Task<CollectionResult> RunAsync(IEnumerable<RetentionVerdict> obsolete, CancellationToken cancellationToken) =>
        _collector.RunAsync(Collector.DefaultBudget, Removals(obsolete), cancellationToken);

    /// <summary>Those of the verdicts by which a backup goes.</summary>
    public static IReadOnlyList<RetentionVerdict> Obsolete(IEnumerable<RetentionVerdict> verdicts) => [.. verdicts.Where(static v => v.Status == RetentionStatus.Obsolete)];

    // At least one that can be restored stays in each lineage, whatever has been judged.
    IReadOnlyList<BackupRemoval> Removals(IEnumerable<RetentionVerdict> obsolete) =>
    [
        .. obsolete.GroupBy(static v => v.Lineage).Select(g => new BackupRemoval(
            repository.Lineages.First(l => l.Number == g.Key), [.. g.Select(static v => v.Backup.Id)],
            g.Key == repository.Current!.Number ? Math.Max(1, server.MinimumRedundancy) : 1)),
    ];
}

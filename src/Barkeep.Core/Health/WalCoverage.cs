using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Health;

/// <summary>How far a cluster's backups can be rolled forward over the WAL that is here, as names tell.</summary>
/// <param name="Gaps">What is missing on the way from any backup, in order. What was missing before the oldest, or has come since, concerns nobody.</param>
/// <param name="IsOpen">Whether such a gap lies between all backups and the present.</param>
/// <param name="Latest">The newest backup that leads to the present: the one that a restore of the newest state takes. Null when none does.</param>
/// <param name="Lack">Why only a new backup leads to the present; null when another one does, or there is none at all.</param>
public sealed record WalCoverage(IReadOnlyList<WalGap> Gaps, bool IsOpen, BackupId? Latest, string? Lack)
{
    /// <summary>What has been removed by other hands: nobody recorded that it never came.</summary>
    public IReadOnlyList<WalGap> Lost => [.. Gaps.Where(static g => !g.Missing.IsRecorded)];

    /// <summary>Backups that would be <see cref="Latest"/> if they did not need damaged pages, and what they need.</summary>
    public IReadOnlyDictionary<BackupId, string> Damaged { get; private init; } = new Dictionary<BackupId, string>();

    /// <summary>Passes over what needs pages that are known to be damaged; reads manifests only where there are any.</summary>
    /// <inheritdoc cref="Of"/>
    public static async Task<WalCoverage> OfAsync(
        HurtPacks hurt, ReceivedWal received, IReadOnlyList<BackupRecord> backups, ReceiverState? receiver, bool isReceiving, CancellationToken cancellationToken)
    {
        var damaged = new Dictionary<BackupId, string>();
        while (true)
        {
            var coverage = Of(received, [.. backups.Where(b => !damaged.ContainsKey(b.Id))], receiver, isReceiving);
            if (coverage.Latest is not { } latest || await hurt.FindAsync(latest, cancellationToken) is not { Count: > 0 } packs)
            {
                return damaged.Count == 0 ? coverage : Of(received, backups, receiver, isReceiving) with
                {
                    Damaged = damaged,
                    Latest = coverage.Latest,
                    Lack = coverage.Latest is null ? $"backup {damaged.Keys.Max()} {damaged[damaged.Keys.Max()]}" : null,
                };
            }
            damaged.Add(latest, HurtPacks.Tell(packs));
        }
    }

    /// <param name="backups">All of the cluster, oldest first.</param>
    /// <param name="receiver">What the cluster's receiver last said; null when it has said nothing.</param>
    /// <param name="isReceiving">Whether it runs.</param>
    public static WalCoverage Of(ReceivedWal received, IReadOnlyList<BackupRecord> backups, ReceiverState? receiver, bool isReceiving)
    {
        var holes = new WalHoles(received);
        var all = holes.Of(backups).SelectMany(static h => h.Value, static (h, missing) => (Backup: h.Key, Missing: missing)).Where(h => !IsToCome(h.Missing))
            .GroupBy(static h => h.Missing, static h => h.Backup).Select(static g => new WalGap(g.Key, [.. g.Order()]));
        if (backups.LastOrDefault(static b => b.Info is not null)?.Info is not { } newest)
        {
            // A backup that is taken now begins after all of it; but why there is none may be that.
            var recorded = received.Gaps.Select(holes.LeftOf).OfType<MissingWal>().Distinct().Select(static m => new WalGap(m, [])).ToList();
            return new(recorded, recorded.Count > 0, null, recorded.Count > 0 ? $"WAL is missing, {recorded[^1]}" : null);
        }
        IReadOnlyList<WalGap> gaps = [.. all.OrderBy(static g => g.Missing.From)];
        var present = PresentTimeline.Of(received, backups, receiver);
        if (holes.NewestLeadingTo(present.Timeline, backups, IsToCome) is { } latest)
        {
            return new(gaps, IsOpen: false, latest.Id, null);
        }
        var open = gaps.LastOrDefault(g => g.Backups.Contains(newest.Id));
        return open is not null && present.History.Contains(newest.TimelineId, newest.EndLsn)
            ? new(gaps, IsOpen: true, null, $"WAL is missing, {open.Missing}")
            : new(gaps, IsOpen: false, null, $"no backup leads to timeline {present.Timeline}, on which the server is now{Left(present.History)}");

        bool IsToCome(MissingWal missing) => !missing.IsRecorded && isReceiving && receiver is not null && IsAhead(receiver, received, missing);
    }

    // The receiver has not got so far: it goes back to what is missing, as long as the server has it. Of branches that the server has left, nothing comes any more.
    static bool IsAhead(ReceiverState receiver, ReceivedWal received, MissingWal missing)
    {
        if ((receiver.ServerTimeline ?? receiver.Timeline) is not { } timeline)
        {
            return false;
        }
        var history = received.HistoryOf(timeline);
        var left = history.Ancestors.Where(a => a.Timeline == missing.First.Timeline).Select(static a => a.End);
        return history.TimelineAt(missing.From) == missing.First.Timeline && receiver.Flushed < left.Append(missing.To).Min();
    }

    static string Left(TimelineHistory history) => history.Ancestors.Count == 0 ? "" : $" and which left timeline {history.Ancestors[^1].Timeline} at {history.Ancestors[^1].End}";
}

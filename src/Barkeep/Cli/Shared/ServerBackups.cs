using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>All backups of a server, whichever cluster it was then, and the WAL that belongs to each.</summary>
sealed class ServerBackups
{
    readonly IReadOnlyList<Lineage> _lineages;

    ServerBackups(IReadOnlyList<Lineage> lineages, IReadOnlyList<ServerBackup> oldestFirst)
    {
        _lineages = lineages;
        OldestFirst = oldestFirst;
    }

    public IReadOnlyList<ServerBackup> OldestFirst { get; }

    public IEnumerable<ServerBackup> NewestFirst => OldestFirst.Reverse();

    /// <summary>The ids of all backups, the newest first; reads no manifest.</summary>
    public static async Task<IReadOnlyList<BackupId>> ListIdsAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        var ids = new List<BackupId>();
        foreach (var lineage in (await session.OpenRepositoryAsync(server, cancellationToken)).Lineages)
        {
            ids.AddRange((await lineage.Backups.ListPartsAsync(cancellationToken)).Where(static b => (b.Parts & (BackupParts.Started | BackupParts.Manifest | BackupParts.Failed)) != 0).Select(static b => b.Id));
        }
        return [.. ids.OrderDescending()];
    }

    /// <param name="withWal">Whether to count the WAL too, which means to list all of it, and to see which backups need pages that are known to be damaged.</param>
    public static async Task<ServerBackups> ReadAsync(Session session, ServerName server, bool withWal, CancellationToken cancellationToken)
    {
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        var running = DutyLock.IsHeld(session.Locations.BackupLock(server));
        var all = new List<ServerBackup>();
        foreach (var lineage in repository.Lineages)
        {
            var backups = (await lineage.Backups.ListAsync(cancellationToken)).Select(b => new ServerBackup(lineage, b, running)).ToList();
            if (withWal && backups.Count > 0)
            {
                await LookAtWalAsync(session, server, lineage, backups, cancellationToken);
                var hurt = await HurtPacks.ReadAsync(lineage, cancellationToken);
                foreach (var backup in backups.Where(static b => b.IsUsable))
                {
                    backup.DamagedPacks = await hurt.FindAsync(backup.Id, cancellationToken);
                }
            }
            all.AddRange(backups);
        }
        all.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        return new(repository.Lineages, all);
    }

    /// <summary>Has the retention policy judge each.</summary>
    public async Task JudgeAsync(ServerConfig config, CancellationToken cancellationToken)
    {
        var lineages = new List<RetentionLineage>();
        foreach (var lineage in _lineages)
        {
            // One without a backup counts too: the present cluster may have none yet.
            lineages.Add(await RetentionLineage.ReadAsync(lineage, [.. OldestFirst.Where(b => b.Lineage == lineage).Select(static b => b.Record)], cancellationToken));
        }
        var verdicts = Retention.Judge(config.Retention, config.MinimumRedundancy, lineages).ToDictionary(static v => (v.Lineage, v.Backup.Id));
        foreach (var backup in OldestFirst)
        {
            backup.Verdict = verdicts[(backup.Lineage.Number, backup.Id)];
        }
    }

    /// <summary>Whether it stands for a backup by its place, so that none can be called so.</summary>
    public static bool IsWord(string text) => text is "latest" or "last" or "latest-full" or "last-full" or "oldest" or "first" or "last-failed" or "auto";

    /// <summary>Finds a backup by its id, its name, or a word for its place.</summary>
    /// <exception cref="BarkeepException">UnknownBackup, also when several have that name.</exception>
    public ServerBackup Find(ServerName server, string text)
    {
        var found = text switch
        {
            "latest" or "last" or "latest-full" or "last-full" => OldestFirst.LastOrDefault(static b => b.IsUsable),
            "oldest" or "first" => OldestFirst.FirstOrDefault(static b => b.IsUsable),
            "last-failed" => OldestFirst.LastOrDefault(static b => b.Status == "FAILED"),
            _ => OldestFirst.FirstOrDefault(b => b.Id.ToString() == text) ?? FindNamed(server, text),
        };
        return found ?? throw new BarkeepException(
            ErrorKind.UnknownBackup,
            $"unknown backup '{text}' for server '{server}'",
            OldestFirst.Count == 0 ? "there is none yet; take one with barman backup" : $"barman list-backups {server} shows all");
    }

    // Which of several is meant nobody can know, and what follows may be its deletion.
    ServerBackup? FindNamed(ServerName server, string name)
    {
        var named = OldestFirst.Where(b => b.Info?.Name == name).ToList();
        return named.Count <= 1
            ? named.FirstOrDefault()
            : throw new BarkeepException(ErrorKind.UnknownBackup, $"{named.Count} backups of server '{server}' are called '{name}': {string.Join(", ", named.Select(static b => b.Id))}", "say which by its id");
    }

    // By names alone. That nobody can say what of it leads where is no reason to show no backups.
    static async Task LookAtWalAsync(Session session, ServerName server, Lineage lineage, List<ServerBackup> backups, CancellationToken cancellationToken)
    {
        try
        {
            var received = await ReceivedWal.ListAsync(lineage.Wal, session.SpoolOf(server, lineage), cancellationToken);
            received.Notes.ToList().ForEach(session.Output.Warning);
            Count(backups, received.Stored, received.HistoryOf);
            var missing = new WalHoles(received).Of([.. backups.Select(static b => b.Record)]);
            foreach (var backup in backups.Where(static b => b.Info is not null))
            {
                backup.Gaps = missing.GetValueOrDefault(backup.Id, []);
                backup.Received = received;
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            session.Output.Warning($"what WAL is missing is not known: {e.Line}");
            Count(backups, await lineage.Wal.ListSegmentsAsync(cancellationToken), TimelineHistory.Initial);
        }
    }

    // A segment belongs to the newest backup that leads to its timeline and begins at or before it: to its own WAL up to its end, to the WAL after it from there.
    static void Count(List<ServerBackup> backups, IReadOnlyList<StoredSegment> segments, Func<TimelineId, TimelineHistory> historyOf)
    {
        foreach (var timeline in segments.GroupBy(static s => s.Name.Timeline))
        {
            var history = historyOf(timeline.Key);
            Count([.. backups.Where(b => b.Info is { } info && history.Contains(info.TimelineId, b.EndLsn)).OrderBy(static b => b.BeginLsn)], timeline);
        }
    }

    static void Count(ServerBackup[] started, IEnumerable<StoredSegment> segments)
    {
        if (started.Length == 0)
        {
            return;
        }
        var size = started[0].Lineage.Identity.SegmentSize;
        var begins = started.Select(b => b.BeginLsn.AlignDown(size.Bytes)).ToArray();
        foreach (var segment in segments)
        {
            var found = Array.BinarySearch(begins, segment.Name.Start(size));
            // Of several that begin in one segment the last; where none begins, the one before.
            var owner = found < 0 ? ~found - 1 : found;
            while (owner >= 0 && owner + 1 < begins.Length && begins[owner + 1] == begins[owner])
            {
                owner++;
            }
            if (owner >= 0)
            {
                started[owner].Add(segment.Name, segment.StoredLength);
            }
        }
    }
}

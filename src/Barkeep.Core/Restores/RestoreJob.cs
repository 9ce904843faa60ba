using System.Diagnostics;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>
/// Restores a backup and the WAL received since into a directory, which a stock PostgreSQL of the same major version then starts
/// with no other setting: it replays to the last received commit and opens on a new timeline, or stops at the target that was asked for. Needs no server.
/// </summary>
public static class RestoreJob
{
    const int MaxJobs = 8;

    /// <summary>Settles what a restore would do, and refuses what it would refuse. Writes nothing.</summary>
    /// <exception cref="BarkeepException">
    /// NoUsableBackup, UnknownBackup, BackupUnusable, TargetUnreachable, WalGap, Damaged, ObjectMissing, HostilePath, NewerRepository;
    /// TargetNotEmpty, TargetNotDirectory, TargetUnwritable, TargetInUse, TargetTooSmall; Usage.
    /// </exception>
    public static async Task<RestorePlan> PlanAsync(RestoreOptions options, CancellationToken cancellationToken)
    {
        using var held = DutyLock.TryShare(options.Locations.RestoreLock(options.Server));
        var prepared = await PrepareAsync(options, LimitOf(options), null, cancellationToken);
        if (!prepared.IsOccupied)
        {
            return prepared.Plan;
        }
        var trees = prepared.Places.Roots.Select(root => Directory.Exists(root) ? new TargetTree(root, prepared.Plan.Ownership) : null).ToList();
        try
        {
            var findings = Look(prepared, trees, cancellationToken);
            return await PlanWithAsync(prepared, findings, trees[0]!, cancellationToken);
        }
        finally
        {
            trees.ForEach(static t => t?.Dispose());
        }
    }

    /// <summary>
    /// Restores. When it returns, everything is on stable storage. When it throws after writing has begun, the directory has no global/pg_control,
    /// so that PostgreSQL does not start on it, and says so; when it throws before, everything is as it was.
    /// </summary>
    /// <exception cref="BarkeepException">As <see cref="PlanAsync"/>; besides Busy, DiskFull, Storage, Interrupted.</exception>
    public static async Task<RestoreResult> RunAsync(RestoreOptions options, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        // 0. What is being restored stays, even if it is deleted meanwhile.
        using var held = DutyLock.TryShare(options.Locations.RestoreLock(options.Server));

        // 1. What is restored, and whether the target can take it.
        var clock = Stopwatch.StartNew();
        var limit = LimitOf(options);
        var prepared = await PrepareAsync(options, limit, progress, cancellationToken);
        foreach (var root in prepared.Places.Roots)
        {
            MakeRoot(root);
        }
        using var layout = new TargetLayout(prepared.Places, prepared.Plan.Ownership);
        var findings = new TargetFindings();
        if (prepared.IsOccupied)
        {
            findings = Look(prepared, layout.Trees, cancellationToken);
            prepared.Warnings.AddRange(findings.Warnings);
        }
        else
        {
            CheckStillEmpty(layout);
        }
        var plan = prepared.IsOccupied ? await PlanWithAsync(prepared, findings, layout.Main, cancellationToken) : prepared.Plan;
        options.OnPlanned?.Invoke(plan);

        // 2. From here on the directory is being written.
        try
        {
            var jobs = options.Jobs ?? Math.Min(Environment.ProcessorCount, MaxJobs);
            var writing = new RestoreWriting(plan, prepared.Source, prepared.Reading, prepared.Expected, layout, prepared.Warnings, progress, jobs, limit);
            var (bytes, disarmed, delta) = await writing.RunAsync(prepared.IsOccupied, findings, cancellationToken);
            return new(plan, plan.Route.History.Timeline, plan.Reached, bytes, plan.FileCount, clock.Elapsed, delta, prepared.Warnings, disarmed);
        }
        catch (Exception e) when (e is BarkeepException or OperationCanceledException)
        {
            var (kind, what, hint) = e is BarkeepException known ? (known.Kind, known.Message, known.Hint) : (ErrorKind.Interrupted, "stopped", null);
            throw new BarkeepException(kind, $"{what}; the restore into {plan.Target} is unfinished, and PostgreSQL will not start on it", hint ?? "restore again with --delta, which finishes it", e);
        }
    }

    static BandwidthLimit LimitOf(RestoreOptions options) => new(options.BandwidthLimit * 1024L, TimeProvider.System);

    static async Task<Preparation> PrepareAsync(RestoreOptions options, BandwidthLimit limit, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        // 1. The target, since a look at it costs nothing.
        var target = Path.TrimEndingDirectorySeparator(options.Target);
        RestoreTarget.CheckOutside(target);
        var isOccupied = RestoreTarget.CheckUsable(target, options.IsDelta);

        // 2. The backup, its WAL, its manifest.
        var warnings = new List<string>();
        var choice = new SourceChoice(options, warnings, isOccupied);
        var source = await choice.ChooseAsync(cancellationToken);
        source = options.Narrow?.Invoke(source) ?? source;
        WalLosses.Tell(source, options.Timeline, warnings);
        await TimelineAtTime.TellAsync(source, options, choice.SpoolOf(source.Lineage), warnings, cancellationToken);
        await ClockSetBack.TellAsync(source, options, choice.SpoolOf(source.Lineage), warnings, cancellationToken);
        await UnfinishedAtStop.CheckAsync(source, options, choice.SpoolOf(source.Lineage), warnings, cancellationToken);

        // 3. Where everything goes, and whether what is there may be written over.
        var plan = PlanOf(options, target, source, warnings);
        RepositoryAccess.Check(options, source, plan.Ownership);
        var places = new TargetPlaces(target, plan.Tablespaces);
        places.Roots.Skip(1).ToList().ForEach(RestoreTarget.CheckOutside);
        var occupied = places.Roots.Skip(1).Where(root => RestoreTarget.CheckUsable(root, isOccupied)).ToList();
        if (isOccupied)
        {
            using var tree = new TargetTree(target, plan.Ownership);
            TargetIdentity.Check(source, tree, occupied);
        }
        else
        {
            // 4. Whether there is room.
            RestoreTarget.CheckRoom(RoomNeeded(plan, source, places, new TargetFindings()));
        }
        var reading = new WalReading(source.Lineage.Wal, choice.SpoolOf(source.Lineage), source.Lineage.Identity.SystemId);
        if (options.RestoreCommand is not null)
        {
            plan = plan with { Limits = await UnplacedWal.CheckAsync(source, reading, limit, progress, warnings, cancellationToken) };
        }
        return new(plan, source, reading, places, new ExpectedContent(source, places, plan.Tablespaces), isOccupied, warnings);
    }

    static TargetFindings Look(Preparation prepared, IReadOnlyList<TargetTree?> trees, CancellationToken cancellationToken)
    {
        var findings = new TargetFindings();
        for (var root = 0; root < trees.Count; root++)
        {
            if (trees[root] is { } tree)
            {
                new TargetSweep(tree, root, prepared.Expected, prepared.Plan.Ownership, findings, isRemoving: false).Run(cancellationToken);
            }
        }
        RestoreTarget.CheckRoom(RoomNeeded(prepared.Plan, prepared.Source, prepared.Places, findings));
        return findings;
    }

    static async Task<RestorePlan> PlanWithAsync(Preparation prepared, TargetFindings findings, TargetTree main, CancellationToken cancellationToken)
    {
        var hasRecord = await RestoreRecord.IsThereAsync(main, prepared.Source.Lineage.Backups, cancellationToken);
        return prepared.Plan with { Delta = new(findings.Kept.Count, findings.Kept.Values.Sum(static k => k.State.Length), findings.RemovedCount, findings.Removed, hasRecord) };
    }

    // Another restore may have been quicker than the claim.
    static void CheckStillEmpty(TargetLayout layout)
    {
        foreach (var root in layout.Places.Roots)
        {
            _ = RestoreTarget.CheckUsable(root, isDelta: false);
        }
    }

    static RestorePlan PlanOf(RestoreOptions options, string target, RestoreSource source, List<string> warnings)
    {
        var info = source.Backup.Info!;
        var files = source.Manifest.Entries.Where(static e => e.Kind is ManifestEntryKind.File or ManifestEntryKind.Inline).ToList();
        return new()
        {
            Target = target,
            Backup = source.Backup.Id,
            Info = info,
            Route = source.Placed,
            Reached = source.Stop?.Reached ?? source.Route.End,
            Recovery = RecoveryOf(options, source),
            Stop = source.Stop,
            Tablespaces = TablespacePlacement.Choose(source.Manifest, options.Tablespaces, target),
            Ownership = OwnerChoice.Choose(options.Owner, target, info.GroupAccess, warnings),
            FileCount = files.Count,
            DataBytes = files.Sum(StoredBytes),
            Warnings = warnings,
        };
    }

    // What is added: files that stay keep their room, and what is removed gives it back first.
    static IEnumerable<(string Path, long Bytes)> RoomNeeded(RestorePlan plan, RestoreSource source, TargetPlaces places, TargetFindings findings)
    {
        var needs = new long[places.Roots.Count];
        needs[0] = plan.Route.Parts.Count * (long)plan.Route.SegmentSize.Bytes;
        for (var i = 0; i < source.Manifest.Entries.Count; i++)
        {
            var entry = source.Manifest.Entries[i];
            needs[places.Locate(entry.Path).Root] += Math.Max(0, StoredBytes(entry) - findings.Kept.GetValueOrDefault(i).AllocatedBytes);
        }
        return places.Roots.Select((path, root) => (path, Math.Max(0, needs[root] - findings.FreedIn(root))));
    }

    static RecoveryPlan RecoveryOf(RestoreOptions options, RestoreSource source) => new()
    {
        // A standby follows the original through its promotions, unless PostgreSQL would follow another timeline that is here; everything else was settled by what is here now.
        Timeline = options is { IsStandby: true, Until: null } && options.Timeline == TimelineChoice.Latest && !source.Received.Timelines.Any(t => t > source.Route.History.Timeline)
            ? null
            : source.Route.History.Timeline,
        Target = options.Until,
        Equivalent = source.Stop?.Equivalent,
        Action = options.Action ?? TargetAction.Pause,
        RestoreCommand = options.RestoreCommand,
        IsStandby = options.IsStandby,
    };

    static long StoredBytes(ManifestEntry entry) => entry.Kind == ManifestEntryKind.File
        ? entry.Runs.Where(static r => !r.IsZeros).Sum(static r => (long)r.Count * Page.Size)
        : entry.Length;

    static void MakeRoot(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BarkeepException(ErrorKind.TargetUnwritable, $"{directory} cannot be made: {Errno.ReasonOf(e, directory)}", RestoreTarget.WhatToDo, e);
        }
    }

    /// <summary>All that a restore has settled before it begins.</summary>
    sealed record Preparation(
        RestorePlan Plan, RestoreSource Source, WalReading Reading, TargetPlaces Places, ExpectedContent Expected, bool IsOccupied, List<string> Warnings);
}

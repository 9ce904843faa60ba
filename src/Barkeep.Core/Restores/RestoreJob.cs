using System.Globalization;
using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Restores a backup and all WAL received since into a directory, which a stock PostgreSQL of the same major version then starts
/// with no other setting: it replays to the last received commit and opens on a new timeline. Needs no server.
/// </summary>
public static class RestoreJob
{
    const int MaxJobs = 8;

    /// <summary>Settles what a restore would do, and refuses what it would refuse. Writes nothing.</summary>
    /// <exception cref="BarkeepException">
    /// NoUsableBackup, UnknownBackup, BackupUnusable, WalGap, Damaged, ObjectMissing, HostilePath, NewerRepository;
    /// TargetNotEmpty, TargetNotDirectory, TargetUnwritable, TargetInUse, TargetTooSmall; Usage.
    /// </exception>
    public static async Task<RestorePlan> PlanAsync(RestoreOptions options, CancellationToken cancellationToken) =>
        (await PrepareAsync(options, cancellationToken)).Plan;

    /// <summary>
    /// Restores. When it returns, everything is on stable storage. When it throws after writing has begun, the directory has no global/pg_control,
    /// so that PostgreSQL does not start on it, and says so; when it throws before, everything is as it was.
    /// </summary>
    /// <exception cref="BarkeepException">As <see cref="PlanAsync"/>; besides DiskFull, Storage, Interrupted.</exception>
    public static async Task<RestoreResult> RunAsync(RestoreOptions options, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        // 1. What is restored, and whether the target can take it.
        var (plan, source, reading, warnings) = await PrepareAsync(options, cancellationToken);
        var meter = new ProgressMeter(progress, plan.DataBytes + plan.WalBytes);

        // 2. From here on the directory is being written.
        foreach (var directory in plan.Tablespaces.Where(static t => !t.IsInside).Select(static t => t.Directory).Prepend(plan.Target))
        {
            MakeRoot(directory);
        }
        try
        {
            var disarmed = await WriteAsync(plan, source, reading, options.Jobs ?? Math.Min(Environment.ProcessorCount, MaxJobs), meter, warnings, cancellationToken);
            return new(plan, plan.Route.History.Timeline, plan.Route.End, meter.Done, plan.FileCount, meter.Elapsed, warnings, disarmed);
        }
        catch (Exception e) when (e is BarkeepException or OperationCanceledException)
        {
            var (kind, what, hint) = e is BarkeepException known ? (known.Kind, known.Message, known.Hint) : (ErrorKind.Interrupted, "stopped", null);
            throw new BarkeepException(kind, $"{what}; the restore into {plan.Target} is unfinished, and PostgreSQL will not start on it", hint ?? "empty the directory and restore again", e);
        }
    }

    static async Task<(RestorePlan Plan, RestoreSource Source, WalReading Reading, List<string> Warnings)> PrepareAsync(RestoreOptions options, CancellationToken cancellationToken)
    {
        // 1. The target, since a look at it costs nothing.
        var target = Path.TrimEndingDirectorySeparator(options.Target);
        RestoreTarget.CheckUsable(target);

        // 2. The backup, its WAL, its manifest.
        var warnings = new List<string>();
        var choice = new SourceChoice(options, warnings);
        var source = await choice.ChooseAsync(cancellationToken);
        WalLosses.Tell(source, warnings);

        // 3. Where everything goes.
        var plan = PlanOf(options, target, source, warnings);
        foreach (var placement in plan.Tablespaces.Where(static t => !t.IsInside))
        {
            RestoreTarget.CheckUsable(placement.Directory);
        }

        // 4. Whether there is room.
        RestoreTarget.CheckRoom(RoomNeeded(plan, source));
        return (plan, source, new WalReading(source.Lineage.Wal, choice.SpoolOf(source.Lineage), source.Lineage.Identity.SystemId), warnings);
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
            Route = source.Route,
            Tablespaces = TablespacePlacement.Choose(source.Manifest, options.Tablespaces, target),
            Ownership = OwnerChoice.Choose(options.Owner, target, info.GroupAccess, warnings),
            FileCount = files.Count,
            DataBytes = files.Sum(StoredBytes),
            Warnings = warnings,
        };
    }

    static IEnumerable<(string Path, long Bytes)> RoomNeeded(RestorePlan plan, RestoreSource source)
    {
        var outside = plan.Tablespaces.Where(static t => !t.IsInside).ToList();
        long main = plan.Route.Parts.Count * (long)plan.Route.SegmentSize.Bytes;
        var needs = outside.ToDictionary(static t => t.Directory, static _ => 0L);
        foreach (var entry in source.Manifest.Entries)
        {
            var placement = outside.Find(t => entry.Path.StartsWith(t.Link + "/", StringComparison.Ordinal));
            if (placement is null)
            {
                main += StoredBytes(entry);
            }
            else
            {
                needs[placement.Directory] += StoredBytes(entry);
            }
        }
        return needs.Select(static n => (n.Key, n.Value)).Prepend((plan.Target, main));
    }

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
            throw new BarkeepException(ErrorKind.TargetUnwritable, $"{directory} cannot be made: {e.Message}", null, e);
        }
    }

    static async Task<IReadOnlyList<DisarmedSetting>> WriteAsync(
        RestorePlan plan, RestoreSource source, WalReading reading, int jobs, ProgressMeter meter, List<string> warnings, CancellationToken cancellationToken)
    {
        using var layout = new TargetLayout(plan);
        foreach (var tree in layout.Trees)
        {
            tree.Adopt();
        }

        // 1. The marker: it stays until all else is durable.
        layout.Main.WriteFile(RestoreMarker.FileName, RestoreMarker.Content(plan.Backup.ToString()));

        // 2. Directories, links and empty files, then WAL: what is wrong with it shows before hours of data files.
        meter.Begin("WAL");
        new FileTreeWriter(source.Manifest, plan, layout).Run(cancellationToken);
        var creations = await new WalWriter(source, reading, layout.Main, meter).RunAsync(cancellationToken);

        // 3. Pages.
        meter.Begin("data files");
        var content = await new PageWriter(source.Lineage, source.Manifest, layout, meter).RunAsync(jobs, cancellationToken);
        var control = ControlFileOf(source, content);

        // 4. What replay would have made elsewhere, and the configuration.
        MakeTablespacesToCome(plan, source.Manifest, creations, control, layout.Main, warnings);
        var disarmed = new RestoredConfiguration(layout.Main, source.Manifest, plan, control, warnings).Write();

        // 5. Everything durable, then the file without which PostgreSQL does not start, then the marker goes.
        meter.Begin("flushing");
        foreach (var tree in layout.Trees)
        {
            tree.Flush();
        }
        layout.Main.WriteFile(ManifestCheck.ControlFile, content);
        layout.Main.Flush();
        layout.Main.DeleteFile(RestoreMarker.FileName);
        Durable.FlushDirectory(plan.Target);
        return disarmed;
    }

    static ControlFile ControlFileOf(RestoreSource source, byte[] content)
    {
        var control = ControlFile.Parse(content);
        return control.SystemIdentifier == source.Lineage.Identity.SystemId
            ? control
            : throw new BarkeepException(ErrorKind.Damaged, $"global/pg_control in backup {source.Backup.Id} is of the system {control.SystemIdentifier} instead of {source.Lineage.Identity.SystemId}");
    }

    static void MakeTablespacesToCome(
        RestorePlan plan, Manifest manifest, IReadOnlyList<TablespaceCreation> creations, ControlFile control, TargetTree tree, List<string> warnings)
    {
        var there = plan.Tablespaces.Select(static t => t.Tablespace.Oid).ToHashSet();
        var root = TablespacePlacement.InsideRoot(manifest);
        foreach (var creation in creations.Where(c => there.Add(c.Oid)))
        {
            var placement = new TablespacePlacement(new(creation.Oid, "", creation.Path), string.Create(CultureInfo.InvariantCulture, $"{root}/{creation.Oid}"));
            if (!Directory.Exists(tree.Full(root)))
            {
                tree.CreateDirectory(root);
            }
            tree.CreateDirectory(placement.Directory);
            tree.CreateDirectory(string.Create(CultureInfo.InvariantCulture, $"{placement.Directory}/PG_{plan.Info.ServerVersion / 10000}_{control.CatalogVersion}"));
            tree.CreateLink(placement.Link, placement.LinkDestination);
            warnings.Add($"the tablespace {creation.Oid}, created at {creation.Path} after the backup, is in {tree.Full(placement.Directory)}");
        }
    }
}

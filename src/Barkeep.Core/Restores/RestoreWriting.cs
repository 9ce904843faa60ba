using System.Globalization;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>The part of a restore that writes, in the order in which a stop at any point leaves a directory that PostgreSQL does not start on, and a delta restore finishes.</summary>
sealed class RestoreWriting(
    RestorePlan plan, RestoreSource source, WalReading reading, ExpectedContent expected, TargetLayout layout, List<string> warnings, IProgress<RestoreProgress>? progress, int jobs,
    BandwidthLimit limit)
{
    /// <param name="isDelta">Whether something is there already.</param>
    /// <param name="found">What is.</param>
    public async Task<(long Bytes, IReadOnlyList<DisarmedSetting> Disarmed, DeltaResult? Delta)> RunAsync(
        bool isDelta, TargetFindings found, CancellationToken cancellationToken)
    {
        // 1. The marker: it stays until all else is durable.
        WriteMarker();

        // 2. What differs; then what does not belong goes, and gives its room back.
        var (moves, compared) = await CompareAsync(isDelta, found, cancellationToken);
        var there = isDelta ? Sweep(cancellationToken) : found;
        Renew(there.TouchedSince(found), there, moves);
        var meter = new ProgressMeter(progress, moves.Bytes + plan.WalBytes);
        foreach (var tree in layout.Trees)
        {
            tree.Adopt();
        }

        // 3. Directories, links and empty files, then WAL: what is wrong with it shows before hours of data files.
        meter.Begin(RestoreStep.Wal);
        new FileTreeWriter(source.Manifest, plan, layout, there).Run(cancellationToken);
        var (creations, limits) = await new WalWriter(source, reading, layout.Main, meter, limit).RunAsync(cancellationToken);

        // 4. Pages.
        meter.Begin(RestoreStep.DataFiles);
        var content = await new PageWriter(source.Lineage, source.Manifest, layout, meter, limit).RunAsync(moves, jobs, cancellationToken);
        var control = ControlFileOf(content);

        // 5. What replay would have made elsewhere, and the configuration.
        MakeTablespacesToCome(creations, control);
        meter.Begin(RestoreStep.Settings);
        var configuration = new RestoredConfiguration(layout.Main, source.Manifest, plan, ServerLimits.Of(control).OrMore(limits).OrMore(plan.Limits), warnings);
        meter.Begin(RestoreStep.Configuration);
        var disarmed = configuration.Write();

        // 6. Everything durable, then the file without which PostgreSQL does not start, then the marker goes.
        meter.Begin(RestoreStep.Flushing);
        foreach (var tree in layout.Trees)
        {
            tree.Flush();
        }
        Finish(content, configuration.Replaced);
        return (meter.Done, disarmed, isDelta ? compared with { PageBytes = moves.Bytes, RemovedCount = there.RemovedCount } : null);
    }

    // The record of the last restore may be large, and nobody needs it longer than this.
    async Task<(PageMoves Moves, DeltaResult Compared)> CompareAsync(bool isDelta, TargetFindings found, CancellationToken cancellationToken)
    {
        var record = isDelta ? await RestoreRecord.TryReadAsync(layout.Main, source.Lineage.Backups, cancellationToken) : null;
        if (isDelta)
        {
            RemoveControlFile();
            RestoreTarget.CheckNotRunning(plan.Target);
        }
        var comparison = new TargetComparison(source, layout, found, record, new PackIndexCache(source.Lineage.Packs));
        var moves = await comparison.RunAsync(jobs, progress, cancellationToken);
        return (moves, new(comparison.SkippedFiles, comparison.SkippedBytes, comparison.ReadFiles, comparison.ReadBytes, 0, 0));
    }

    // It knows the directories outside of an unfinished restore before this one, too.
    void WriteMarker()
    {
        var places = layout.Trees.Select(RestoredPlace.Of).ToList();
        var before = RestoreMarker.TryRead(layout.Main)?.Places ?? RestoreRecord.TryReadHead(layout.Main)?.Places;
        if (before is { Count: > 0 } && before[0] == places[0])
        {
            places.AddRange(before.Except(places).ToList());
        }
        layout.Main.ReplaceFile(RestoreMarker.FileName, content => content.Write(RestoreMarker.Of(plan, source.Lineage.Identity.SystemId, places).Seal()));
    }

    // Where PostgreSQL would find it, by a link too.
    void RemoveControlFile()
    {
        const string Directory = "global";
        switch (layout.Main.StatusOf(Directory))
        {
            case { IsDirectory: true }:
                if (layout.Main.StatusOf(ManifestCheck.ControlFile) is { IsDirectory: false })
                {
                    layout.Main.DeleteFile(ManifestCheck.ControlFile);
                }
                Durable.FlushDirectory(layout.Main.Full(Directory));
                break;
            case not null:
                layout.Main.DeleteFile(Directory);
                Durable.FlushDirectory(plan.Target);
                break;
        }
    }

    TargetFindings Sweep(CancellationToken cancellationToken)
    {
        var there = new TargetFindings();
        for (var root = 0; root < layout.Trees.Count; root++)
        {
            new TargetSweep(layout.Trees[root], root, expected, plan.Ownership, there, isRemoving: true).Run(cancellationToken);
        }
        return there;
    }

    // What was compared is no more what is there. Made anew, such a file is right whatever happened to it, and whoever still writes to the old one writes to nothing.
    void Renew(IReadOnlySet<int> touched, TargetFindings there, PageMoves moves)
    {
        if (touched.Count == 0)
        {
            return;
        }
        moves.Remove(touched);
        foreach (var index in touched.Order())
        {
            var entry = source.Manifest.Entries[index];
            if (there.Kept.Remove(index))
            {
                var (tree, path) = layout.Locate(entry.Path);
                tree.DeleteFile(path);
            }
            moves.AddFile(entry, index);
        }
        warnings.Add($"something else was at work in {plan.Target} while its files were compared: {touched.Count} of them, {source.Manifest.Entries[touched.Min()].Path} the first, were made anew");
    }

    void Finish(byte[] control, IReadOnlySet<string> replaced)
    {
        RestoreRecord.Write(source, layout, control, replaced);
        using (var file = layout.Main.CreateFile(ManifestCheck.ControlFile))
        {
            layout.Main.Write(file, control, 0, ManifestCheck.ControlFile);
            Durable.Flush(file, layout.Main.Full(ManifestCheck.ControlFile));
        }
        Durable.FlushDirectory(Path.GetDirectoryName(layout.Main.Full(ManifestCheck.ControlFile))!);
        layout.Main.DeleteFile(RestoreMarker.FileName);
        Durable.FlushDirectory(plan.Target);
    }

    ControlFile ControlFileOf(byte[] content)
    {
        var control = ControlFile.Parse(content);
        return control.SystemIdentifier == source.Lineage.Identity.SystemId
            ? control
            : throw new BarkeepException(ErrorKind.Damaged, $"global/pg_control in backup {source.Backup.Id} is of the system {control.SystemIdentifier} instead of {source.Lineage.Identity.SystemId}", "use another backup");
    }

    void MakeTablespacesToCome(IReadOnlyList<TablespaceCreation> creations, ControlFile control)
    {
        var there = plan.Tablespaces.Select(static t => t.Tablespace.Oid).ToHashSet();
        var tree = layout.Main;
        var root = TablespacePlacement.InsideRoot(source.Manifest);
        foreach (var creation in creations.Where(c => there.Add(c.Oid)))
        {
            var placement = new TablespacePlacement(new(creation.Oid, "", creation.Path), string.Create(CultureInfo.InvariantCulture, $"{root}/{creation.Oid}"));
            foreach (var directory in (string[])[root, placement.Directory])
            {
                if (!Directory.Exists(tree.Full(directory)))
                {
                    tree.CreateDirectory(directory);
                }
            }
            tree.CreateDirectory(string.Create(CultureInfo.InvariantCulture, $"{placement.Directory}/PG_{plan.Info.MajorVersion}_{control.CatalogVersion}"));
            tree.CreateLink(placement.Link, placement.LinkDestination);
            warnings.Add($"the tablespace {creation.Oid}, created at {creation.Path} after the backup, is in {tree.Full(placement.Directory)}");
        }
    }
}

using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Verification;

/// <summary>
/// Proves that backups can be restored, as far as that shows in what is stored: the manifest, every frame that holds a page of them, every page's
/// hash, and all WAL from their begin to the tail. Needs no server, waits for nobody and may run beside everything else.
/// </summary>
/// <param name="spool">Of the lineage.</param>
/// <param name="receiver">What the cluster's receiver last said; null when it has said nothing.</param>
/// <param name="jobs">Threads that read.</param>
public sealed class BackupVerification(Lineage lineage, WalSpool spool, ReceiverState? receiver, int jobs, IProgress<VerificationProgress>? progress)
{
    readonly List<Damage> _damage = [];
    readonly List<string> _notes = [];
    readonly Dictionary<string, PageSet> _needed = new(StringComparer.Ordinal);
    long _done;
    long _total;

    /// <summary>Verifies backups, all of this lineage. What several share is read once.</summary>
    /// <exception cref="BarkeepException">BackupUnusable when one of them has no manifest, or is deleted meanwhile; NewerRepository.</exception>
    public async Task<VerificationResult> RunAsync(IReadOnlyList<BackupId> ids, CancellationToken cancellationToken)
    {
        // What they need.
        var all = await lineage.Backups.ListAsync(cancellationToken);
        foreach (var id in ids)
        {
            await ReadAsync(all.FirstOrDefault(b => b.Id == id) ?? throw Unusable(id), cancellationToken);
        }
        var infos = all.Where(b => ids.Contains(b.Id)).Select(static b => b.Info).OfType<BackupInfo>().ToList();
        var received = await ListWalAsync(all, cancellationToken);
        var present = received is null ? null : PresentTimeline.Of(received, all, receiver);
        var wal = present is null ? null : new WalVerification(lineage, spool, received!, present, jobs, Advance);
        var routes = wal?.FindRoutes(infos) ?? [];
        _total = (_needed.Values.Sum(static n => (long)n.Count) * Page.Size) + WalVerification.LengthOf(routes);

        // Pages.
        var packs = new PackVerification(lineage, jobs, Advance);
        await packs.RunAsync(_needed, cancellationToken);
        await BlameAsync(packs.Hurt, ids, all, cancellationToken);
        await MarkAsync(packs.Hurt, cancellationToken);
        await RecheckAsync(packs.Hurt, ids.Count, cancellationToken);

        // WAL.
        var end = Lsn.Invalid;
        foreach (var route in routes)
        {
            var reached = await wal!.RunAsync(route, cancellationToken);
            end = end.IsValid ? end : reached;
        }
        if (wal is not null)
        {
            var known = all.Select(static b => b.Info).OfType<BackupInfo>().ToList();
            _damage.AddRange(wal.Hurt.Select(h => h.ToDamage(received!, wal.HistoriesOf(known), known)));
            await UnmarkAsync(wal, received!, cancellationToken);
            var told = all.Where(b => ids.Contains(b.Id) && b.Info is not null)
                .Select(b => FindMissing(received!, present!, b, WalHoles.MayRoll(b, all))).OfType<MissingWal>().ToHashSet();
            FindMissingElsewhere(received!, infos, all, told);
        }
        return new()
        {
            Backups = ids,
            Packs = _needed.Count,
            Frames = packs.Frames,
            Pages = packs.Pages,
            StoredBytes = packs.StoredBytes,
            Segments = wal?.Segments ?? 0,
            WalEnd = end,
            Timeline = routes.Count == 0 ? 0 : routes[0].History.Timeline.Value,
            Damage = _damage,
            Notes = _notes,
        };
    }

    async Task ReadAsync(BackupRecord backup, CancellationToken cancellationToken)
    {
        if (backup.State is BackupState.Started or BackupState.Failed)
        {
            throw Unusable(backup.Id);
        }
        try
        {
            Add(await lineage.Backups.ReadManifestAsync(backup.Id, cancellationToken));
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.HostilePath or ErrorKind.Storage)
        {
            _damage.Add(new($"manifest of backup {backup.Id}", e.Message, e.Kind, [backup.Id], [], 0));
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.ObjectMissing)
        {
            throw Unusable(backup.Id);
        }
    }

    void Add(Manifest manifest)
    {
        foreach (var run in manifest.Entries.SelectMany(static e => e.Runs).Where(static r => !r.IsZeros))
        {
            var pack = manifest.Packs[run.Pack];
            if (!_needed.TryGetValue(pack, out var pages))
            {
                _needed.Add(pack, pages = new());
            }
            pages.Add(run.Ordinal, run.Count);
        }
    }

    async Task<ReceivedWal?> ListWalAsync(IReadOnlyList<BackupRecord> all, CancellationToken cancellationToken)
    {
        try
        {
            var received = await ReceivedWal.ListAsync(lineage.Wal, spool, cancellationToken, withDamaged: true);
            _damage.AddRange(received.Notes.Select(static n => new Damage("what is known of the WAL", n, ErrorKind.Damaged, [], [], 0)));
            return received;
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.Storage)
        {
            _damage.Add(new("the list of WAL", $"{e.Message}; no WAL has been looked at", e.Kind, [.. all.Where(static b => b.Info is not null).Select(static b => b.Id)], [], 0));
            return null;
        }
    }

    // Whom it hurts. Manifests are read only when something is.
    async Task BlameAsync(IReadOnlyCollection<HurtPages> hurt, IReadOnlyList<BackupId> verified, IReadOnlyList<BackupRecord> all, CancellationToken cancellationToken)
    {
        if (hurt.Count == 0)
        {
            return;
        }
        foreach (var backup in all.Where(static b => b.State is BackupState.Done or BackupState.WaitingForWals))
        {
            try
            {
                var manifest = await lineage.Backups.ReadManifestAsync(backup.Id, cancellationToken);
                foreach (var one in hurt)
                {
                    one.LookIn(backup.Id, manifest);
                }
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.ObjectMissing)
            {
                // Deleted meanwhile, and with it perhaps what was looked for.
                if (verified.Contains(backup.Id))
                {
                    throw Unusable(backup.Id);
                }
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.HostilePath or ErrorKind.Storage)
            {
                if (!verified.Contains(backup.Id))
                {
                    _notes.Add($"whether backup {backup.Id} is touched is not known: {e.Message}");
                }
            }
        }
        _damage.AddRange(hurt.Select(static h => h.ToDamage()).OrderBy(static d => d.What, StringComparer.Ordinal));
    }

    // No later backup may refer to what is hurt.
    async Task MarkAsync(IReadOnlyCollection<HurtPages> hurt, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var pack in hurt.Where(static h => h.Kind != ErrorKind.ObjectMissing).DistinctBy(static h => h.Pack))
            {
                await lineage.Packs.MarkDamagedAsync(pack.Pack, pack.How, cancellationToken);
            }
            if (hurt.Count > 0)
            {
                _notes.Add("older backups stay as they are; the next one refers to nothing in the packs that are hurt, and stores again what they held");
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Storage or ErrorKind.DiskFull)
        {
            _notes.Add($"that packs are hurt cannot be written down, so that the next backup refers to them again: {e.Message}");
        }
    }

    // What was put back counts again; and a mark that says too much, or not which pages, says what is so.
    async Task RecheckAsync(IReadOnlyCollection<HurtPages> hurt, int verified, CancellationToken cancellationToken)
    {
        foreach (var pack in (await lineage.Packs.ListDamagedAsync(cancellationToken)).Where(p => _needed.ContainsKey(p) && !hurt.Any(h => h.Pack == p)))
        {
            try
            {
                _notes.Add(await lineage.Packs.RecheckAsync(pack, cancellationToken)
                    ? $"pack {pack} was known to be damaged, and is sound again"
                    : $"pack {pack} is damaged, in pages that {(verified == 1 ? "this backup does" : "these backups do")} not need");
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Storage or ErrorKind.DiskFull)
            {
                _notes.Add($"pack {pack} counts as damaged, and what has been found of it now cannot be written down: {e.Message}");
            }
        }
    }

    // What was put back, or was only out of reach, is to count again.
    async Task UnmarkAsync(WalVerification wal, ReceivedWal received, CancellationToken cancellationToken)
    {
        var hurt = wal.Hurt.Where(static h => h.CanBeMarked).Select(static h => h.Segment.Name).ToHashSet();
        var failure = wal.MarkFailure;
        try
        {
            foreach (var segment in received.Stored.Where(s => s.IsDamaged && wal.HasWalked(s) && !hurt.Contains(s.Name)))
            {
                await lineage.Wal.UnmarkAsync(segment.Name, segment.IsPartial, cancellationToken);
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Storage or ErrorKind.DiskFull)
        {
            failure ??= e.Message;
        }
        if (failure is not null)
        {
            _notes.Add($"which WAL is hurt cannot be written down, so that restores do not know it beforehand: {failure}");
        }
        else if (hurt.Count > 0)
        {
            _notes.Add("from now on the WAL that is hurt counts as missing; barman put-wal brings it back, and so does a receiver that starts anew (receive-wal --stop) as long as the server has it");
        }
    }

    // WAL that is not here at all, on the way to the server's present. Returns what of it recovery comes to first.
    MissingWal? FindMissing(ReceivedWal received, PresentTimeline present, BackupRecord record, bool mayRoll)
    {
        var (id, backup) = (record.Id, record.Info!);
        if (present.RouteFrom(backup) is not { } route)
        {
            _damage.Add(new($"timeline {backup.Timeline}", $"no history leads on from {backup.EndLsn}, where the backup ends", ErrorKind.WalGap, [id], [], 0));
            return null;
        }
        var missing = route.FindMissing(received);
        if (route.ReceivedEnd < backup.EndLsn)
        {
            _damage.Add(new($"WAL segment {route.Missing}", $"{(missing is null ? "it has not been received yet" : $"WAL is missing, {missing}")}; the backup needs it up to {backup.EndLsn}", ErrorKind.WalGap, [id], [], 0));
        }
        else if (missing is { IsRecorded: true } && route.EndBeyondGap(received) is not null)
        {
            _notes.Add($"WAL is missing, {missing}: no restore from backup {id} crosses that; the WAL after it is for later backups");
        }
        else if (missing is { IsRecorded: false } && !mayRoll)
        {
            // cron has removed it, as the user wanted: were that damage, a nightly run would fail until the backup is let go.
            _notes.Add($"backup {id} is kept by itself, without the WAL after it: a restore from it ends at {route.End}");
        }
        else if (missing is { IsRecorded: false })
        {
            _damage.Add(new($"WAL segment {route.Missing}", $"WAL is missing, {missing}: no restore crosses that", ErrorKind.WalGap, [id], [], 0));
        }
        return missing;
    }

    // On timelines that the server has left: what is here of them can be asked for by name.
    void FindMissingElsewhere(ReceivedWal received, IReadOnlyList<BackupInfo> infos, IReadOnlyList<BackupRecord> all, HashSet<MissingWal> told)
    {
        var holes = new WalHoles(received).Of(all).Where(h => infos.Any(i => i.BackupId == h.Key.ToString())).SelectMany(static h => h.Value, static (h, missing) => (Backup: h.Key, Missing: missing));
        foreach (var hole in holes.Where(h => !h.Missing.IsRecorded && !told.Contains(h.Missing)).GroupBy(static h => h.Missing, static h => h.Backup))
        {
            _damage.Add(new($"WAL segment {hole.Key.First}", $"WAL is missing, {hole.Key}: no restore along that timeline crosses it", ErrorKind.WalGap, [.. hole.Order()], [], 0));
        }
    }

    void Advance(long bytes) => progress?.Report(new(Interlocked.Add(ref _done, bytes), _total));

    static BarkeepException Unusable(BackupId id) => new(ErrorKind.BackupUnusable, $"backup {id} has no manifest", "it has failed, is still being taken or has just been deleted: barman list-backups shows which");
}

using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Fetching;

/// <summary>
/// Hands out received WAL to a server that recovers. That server takes "not there" for the end of WAL, and opens: so this is said only where WAL
/// really ends. Whatever is here and cannot be had, or should be here and is not, is an exception.
/// </summary>
/// <param name="spool">Of the same cluster.</param>
/// <param name="receiver">What its receiver last said of itself, if it did.</param>
public sealed class WalFetch(Lineage lineage, WalSpool spool, ReceiverState? receiver)
{
    readonly WalArchive _archive = lineage.Wal;
    readonly WalReading _reading = new(lineage.Wal, spool, lineage.Identity.SystemId);

    SegmentSize Size => lineage.Identity.SegmentSize;

    /// <summary>The cluster that WAL is wanted of.</summary>
    /// <param name="systemId">Its system identifier; null for the one that the server is now.</param>
    /// <exception cref="BarkeepException">WrongSystem: nothing of that cluster is here. NotSetUp.</exception>
    public static Lineage Choose(Repository repository, ulong? systemId)
    {
        var current = repository.Current ?? throw new BarkeepException(ErrorKind.NotSetUp, "the repository is empty, or not where it should be", "is its disk mounted? see BARKEEP_HOME");
        if (systemId is not { } wanted)
        {
            return current;
        }
        return repository.Lineages.FirstOrDefault(l => l.Identity.SystemId == wanted)
            ?? throw new BarkeepException(
                ErrorKind.WrongSystem,
                $"the data directory is of the database cluster {wanted}, and the repository holds {string.Join(", ", repository.Lineages.Select(static l => l.Identity.SystemId))}",
                "name the server that it was restored from");
    }

    /// <summary>A file's content, checked to its last byte.</summary>
    /// <param name="incomplete">Whether a segment of which only a part was received is wanted too: up to the last whole record, filled up with zeros.</param>
    /// <returns>Null where WAL ends.</returns>
    /// <exception cref="BarkeepException">BadWalName. WalGap: it is missing, and later WAL is here, of its timeline or of one that branched off behind it. Damaged, ObjectMissing, NewerRepository, Storage.</exception>
    public async Task<ReadOnlyMemory<byte>?> TryGetAsync(WalFileName name, bool incomplete, CancellationToken cancellationToken)
    {
        switch (name.Kind)
        {
            case WalFileKind.History:
                return await TryGetHistoryAsync(name.Timeline, cancellationToken);
            case WalFileKind.BackupHistory:
                // They are not kept: nothing needs them.
                return null;
            default:
                name.Segment.ThrowUnlessValidFor(Size);
                return await TryGetSegmentAsync(name, incomplete, cancellationToken);
        }
    }

    /// <summary>A complete segment, checked to its last byte; null when there is none, for whatever reason.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, NewerRepository, Storage.</exception>
    public async Task<ReadOnlyMemory<byte>?> TryGetCompleteAsync(SegmentName name, CancellationToken cancellationToken)
    {
        if (await TryReadStoredAsync(name, cancellationToken) is { } stored)
        {
            return stored;
        }
        if (IsSpooledWhole(name) && await TryReadPartAsync(new(name, WalPlace.Spool, Size.Bytes, IsComplete: true, Size.Bytes), cancellationToken) is { IsWhole: true } spooled)
        {
            return spooled.Content;
        }
        // It may have moved meanwhile.
        return await TryReadStoredAsync(name, cancellationToken);
    }

    /// <summary>Which segments are here complete, from one on without a gap, at most so many.</summary>
    public async Task<IReadOnlyList<SegmentName>> ListFromAsync(SegmentName first, int count, CancellationToken cancellationToken)
    {
        var names = new List<SegmentName>();
        for (var name = first; names.Count < count && (IsSpooledWhole(name) || await _archive.HasSoundSegmentAsync(name, cancellationToken)); name = name.Next(Size))
        {
            names.Add(name);
        }
        return names;
    }

    async Task<ReadOnlyMemory<byte>?> TryGetHistoryAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (await _archive.TryGetHistoryFileAsync(timeline, cancellationToken) is { } content)
        {
            return content;
        }
        // A server that asks for it and is told that there is none takes another timeline, and leaves this one out.
        return timeline > TimelineId.First && (await ListAsync(cancellationToken)).LastEnd(timeline, default) is { } end
            ? throw new BarkeepException(ErrorKind.WalGap, $"{timeline.HistoryFileName} is missing, although WAL of timeline {timeline} is here up to {end}", "get it from the server's pg_wal: barman put-wal takes it")
            : null;
    }

    async Task<ReadOnlyMemory<byte>?> TryGetSegmentAsync(WalFileName name, bool incomplete, CancellationToken cancellationToken)
    {
        if (name.Kind == WalFileKind.Segment && await TryGetCompleteAsync(name.Segment, cancellationToken) is { } complete)
        {
            return complete;
        }
        var received = await ListAsync(cancellationToken);
        var isPartHere = received.TryGet(name.Segment, out var part);
        if (name.Kind == WalFileKind.Partial)
        {
            return isPartHere && part.Place != WalPlace.Repository ? (await TryReadPartAsync(part, cancellationToken))?.Content : null;
        }
        if (isPartHere && part.Place == WalPlace.Repository)
        {
            // Complete since the first look.
            return await TryGetCompleteAsync(name.Segment, cancellationToken);
        }
        if (await IsBeforeTimelineAsync(name.Segment, cancellationToken))
        {
            return null;
        }
        RefuseToEndBeforeLaterWal(name.Segment, received, isPartHere);
        return incomplete && isPartHere ? (await TryReadPartAsync(part, cancellationToken))?.Content : null;
    }

    /// <summary>Older servers ask on each timeline for each segment, from before its beginning too.</summary>
    async Task<bool> IsBeforeTimelineAsync(SegmentName name, CancellationToken cancellationToken) =>
        await _archive.GetHistoryAsync(name.Timeline, cancellationToken) is { Ancestors: [.., var parent] } && name.End(Size) <= parent.End;

    void RefuseToEndBeforeLaterWal(SegmentName name, ReceivedWal received, bool isPartHere)
    {
        var later = received.LastEnd(name.Timeline, name.End(Size));
        var gap = received.GapAt(received.HistoryOf(name.Timeline), name.Number(Size));
        var child = later is null ? LaterChild(name, received) : null;
        if (later is null && gap is null && child is null)
        {
            return;
        }
        var goesOn = (later, child) switch
        {
            ({ } end, _) => $", and later WAL of its timeline is here, up to {end}",
            (_, { } way) => $", and its timeline went on as timeline {way.Timeline}, whose WAL is here up to {way.End}",
            _ => ", and its timeline went on",
        };
        throw new BarkeepException(
            ErrorKind.WalGap,
            $"WAL segment {name} is {(isPartHere ? "not complete" : "missing")}{goesOn}{(gap is null ? "" : $" ({gap.Reason})")}",
            "recovery cannot go on over it: restore a later backup, or give a target before it");
    }

    /// <summary>A timeline that branched off behind a segment, and how far its WAL is here; null when there is none.</summary>
    (TimelineId Timeline, Lsn End)? LaterChild(SegmentName name, ReceivedWal received)
    {
        foreach (var history in received.Histories.Values)
        {
            if (history.Ancestors.Any(a => a.Timeline == name.Timeline && a.End >= name.End(Size)) && received.LastEnd(history.Timeline, name.End(Size)) is { } end)
            {
                return (history.Timeline, end);
            }
        }
        return null;
    }

    Task<ReceivedWal> ListAsync(CancellationToken cancellationToken) => ReceivedWal.ListAsync(_archive, spool, cancellationToken);

    bool IsSpooledWhole(SegmentName name) => new FileInfo(spool.PathOf(name)) is { Exists: true } file && file.Length >= Size.Bytes;

    async Task<ReadOnlyMemory<byte>?> TryReadStoredAsync(SegmentName name, CancellationToken cancellationToken)
    {
        if (!await _archive.HasSegmentAsync(name, cancellationToken))
        {
            return null;
        }
        var bytes = new byte[Size.Bytes];
        using var content = new MemoryStream(bytes);
        await _archive.CopySegmentAsync(name, partial: false, content, cancellationToken);
        return bytes;
    }

    /// <summary>What was received of a segment, walked, and zeros from the end of the last whole record on.</summary>
    async Task<(ReadOnlyMemory<byte> Content, bool IsWhole)?> TryReadPartAsync(ReceivedSegment part, CancellationToken cancellationToken)
    {
        var history = await _archive.GetHistoryAsync(part.Name.Timeline, cancellationToken);
        var walker = new RecordWalker(part.Name.Start(Size), history, Size, lineage.Identity.SystemId);
        var bytes = new byte[Size.Bytes];
        var length = 0;
        await using (var sink = new SinkStream(
            received =>
            {
                walker.Append(received);
                received.CopyTo(bytes.AsSpan(length));
                length += received.Length;
            },
            bytes.Length))
        {
            try
            {
                await _reading.CopyAsync(part, sink, cancellationToken);
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.ObjectMissing && part.Place == WalPlace.Spool)
            {
                // Set aside by the receiver: it comes again.
                return null;
            }
        }
        if (walker.EndsWholeSegment)
        {
            return (bytes, true);
        }
        if (walker.Defect is { } defect && (length == bytes.Length || WasAcknowledged(part.Name, defect.Position)))
        {
            throw new BarkeepException(ErrorKind.Damaged, $"received WAL is damaged: {defect}", "the receiver gets it again, as long as the server has it");
        }
        // A record that crosses into the segment shows its end only to who has seen its beginning: its bytes stay.
        var valid = walker.ValidEnd > walker.Start ? (int)(walker.ValidEnd - walker.Start) : length;
        bytes.AsSpan(Math.Min(valid, bytes.Length)..).Clear();
        return (bytes, false);
    }

    // What a crash has torn was never acknowledged.
    bool WasAcknowledged(SegmentName name, Lsn position) =>
        receiver is { Flushed: var flushed, Timeline: { } timeline } && timeline == name.Timeline && position < flushed && flushed <= name.End(Size);
}

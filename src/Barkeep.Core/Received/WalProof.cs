using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>
/// Tells whether the WAL that is held is a certain server's. Names and positions do not: a server that was put back to an earlier state writes other WAL under the
/// same ones. Single records do that only the server's own WAL has in their place; what precedes and follows them is linked to them.
/// </summary>
/// <param name="spool">Null when no part lies there.</param>
/// <param name="history">Of the timeline of the last part.</param>
/// <param name="parts">Segments without a gap.</param>
public sealed class WalProof(Lineage lineage, WalSpool? spool, TimelineHistory history, IReadOnlyList<WalPart> parts)
{
    /// <summary>In so many bytes a checkpoint's record has ended, across a page's header too; and before its end begins the record of a backup's end.</summary>
    const int Reach = 256;

    readonly SegmentSize _size = lineage.Identity.SegmentSize;

    /// <summary>Whether the WAL has the record of this checkpoint; null when it does not go so far.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage: the WAL cannot be read, so nothing is known.</exception>
    public async Task<bool?> HasAsync(CheckpointMark checkpoint, CancellationToken cancellationToken)
    {
        var found = new StrongBox<CheckpointMoment?>();
        var (walker, damage) = await WalkAsync(checkpoint.Position, checkpoint.Position + Reach, new CheckpointSought(checkpoint.Position, found), cancellationToken);
        return found.Value switch
        {
            { } record => checkpoint.Is(record),
            _ when damage is not null => throw damage,
            _ when walker is null || walker.Position <= checkpoint.Position || (walker.PendingRecord == checkpoint.Position && walker.Position < checkpoint.Position + Reach) => null,
            _ => false,
        };
    }

    /// <summary>What in the WAL contradicts a backup's having been taken from the server that wrote it, in a line; null when nothing does, as far as it goes.</summary>
    /// <exception cref="BarkeepException">As <see cref="HasAsync"/>.</exception>
    public async Task<string?> FindContradictionAsync(BackupInfo info, CancellationToken cancellationToken)
    {
        // Older versions did not write down what could prove it.
        if (info.Checkpoint is not { } checkpoint)
        {
            return null;
        }
        if (await HasAsync(checkpoint, cancellationToken) == false)
        {
            return $"it has not the checkpoint at {checkpoint.Position} that the backup began with";
        }
        return !info.FromStandby && await HasEndAsync(info.BeginLsn, info.EndLsn, cancellationToken) == false ? $"it has not the backup's end at {info.EndLsn}" : null;
    }

    async Task<bool?> HasEndAsync(Lsn begin, Lsn end, CancellationToken cancellationToken)
    {
        var found = new StrongBox<bool>();
        var (walker, damage) = await WalkAsync(Lsn.Max(begin, end + -Reach), end, new BackupEndSought(begin, end, found), cancellationToken);
        return found.Value ? true : damage is not null ? throw damage : walker is null || walker.Position < end ? null : false;
    }

    /// <summary>Walks what is held around a stretch, from the start of the segment in which it begins to its end.</summary>
    /// <returns>The walker, null when the stretch's beginning is not held, or torn and so to be received again; and what ended the walk otherwise.</returns>
    async Task<(RecordWalker? Walker, BarkeepException? Damage)> WalkAsync<TVisitor>(Lsn from, Lsn to, TVisitor visitor, CancellationToken cancellationToken)
        where TVisitor : struct, IRecordVisitor
    {
        var near = new List<WalPart>();
        foreach (var part in parts.Where(p => p.Segment.Name.End(_size) > from && p.Segment.Name.Start(_size) < to))
        {
            near.Add(part with { Keep = (int)Math.Min(part.Keep, to - part.Segment.Name.Start(_size)) });
        }
        if (near.Count == 0 || near[0].Segment.Name.Start(_size) > from)
        {
            return (null, null);
        }
        var walk = new PartWalk(lineage, spool, history, near);
        RecordWalker? walker = null;
        for (var i = 0; i < near.Count; i++)
        {
            walker = await walk.RunAsync(i, visitor, cancellationToken);
            if (walker.Defect is { } defect)
            {
                return (null, near[i].Segment.Place == WalPlace.Spool ? null : new(ErrorKind.Damaged, $"received WAL is damaged: {defect}"));
            }
        }
        return (walker, null);
    }

    readonly struct CheckpointSought(Lsn position, StrongBox<CheckpointMoment?> found) : IRecordVisitor
    {
        public void Visit(in WalRecord record)
        {
            var nobody = default(NoBlocks);
            if (record.Start == position && CheckpointMoment.IsOne(record.Header) && BlockReferences.TryRead(record, ref nobody, out var data)
                && CheckpointMoment.TryRead(record, data, out var checkpoint))
            {
                found.Value = checkpoint;
            }
        }
    }

    // xlog.c, do_pg_backup_stop
    readonly struct BackupEndSought(Lsn begin, Lsn end, StrongBox<bool> found) : IRecordVisitor
    {
        public void Visit(in WalRecord record)
        {
            var nobody = default(NoBlocks);
            if (record.End == end && record.Header.IsBackupEnd && BlockReferences.TryRead(record, ref nobody, out var data) && data.Length >= sizeof(ulong))
            {
                found.Value = BinaryPrimitives.ReadUInt64LittleEndian(data) == begin.Value;
            }
        }
    }
}

using System.Text;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>The uncompressed body of a segment's moments (docs/format.md, "Moments"). The reader believes nothing.</summary>
static class MomentsBody
{
    // A record that ends in the segment begins at most its own length, and the page headers in it, before the segment's end: less than this.
    const long MaxBack = 3L << 30;
    const int MaxName = 256;

    public static void Write(Stream body, Moments moments, Lsn segmentEnd)
    {
        using var buffered = new BufferedStream(body, 1 << 14);
        var writer = new VarintWriter(buffered);
        writer.Number(moments.Commits.Count);
        var time = default(TimestampTz);
        foreach (var commit in moments.Commits)
        {
            writer.Number(segmentEnd - commit.Position);
            writer.Number(segmentEnd - commit.End);
            WriteTime(writer, commit.Time, ref time);
            writer.Number(commit.Xid);
        }
        writer.Number(moments.RestorePoints.Count);
        foreach (var point in moments.RestorePoints)
        {
            writer.Number(segmentEnd - point.Position);
            WriteTime(writer, point.Time, ref time);
            writer.Bytes(Encoding.UTF8.GetBytes(point.Name));
        }
        writer.Number(moments.Checkpoints.Count);
        foreach (var checkpoint in moments.Checkpoints)
        {
            writer.Number(segmentEnd - checkpoint.Position);
            writer.Number((long)checkpoint.Redo.Value);
            WriteTime(writer, checkpoint.Time, ref time);
            writer.Byte(checkpoint.IsShutdown ? (byte)1 : (byte)0);
            writer.Number((long)checkpoint.NextXid);
        }
        writer.Number(moments.Switches.Count);
        foreach (var change in moments.Switches)
        {
            writer.Number(segmentEnd - change.Position);
            writer.Number(change.From.Value);
            writer.Number(change.To.Value);
            WriteTime(writer, change.Time, ref time);
        }
        WriteLosses(writer, moments, segmentEnd, ref time);
        writer.Number(moments.Creators.Count);
        foreach (var xid in moments.Creators.Order())
        {
            writer.Number(xid);
        }
        buffered.Flush();
    }

    /// <summary>Adds what the body says.</summary>
    /// <exception cref="Common.BarkeepException">Damaged.</exception>
    public static void Read(string name, Stream body, Lsn segmentEnd, Moments moments)
    {
        using var buffered = new BufferedStream(body, 1 << 14);
        var reader = new VarintReader(name, buffered);
        var time = default(TimestampTz);
        for (var count = reader.Number(Moments.MaxCommits); count > 0; count--)
        {
            moments.Add(new CommitMoment(ReadPosition(reader, segmentEnd), ReadPosition(reader, segmentEnd), ReadTime(reader, ref time), ReadUInt(reader)));
        }
        for (var count = reader.Number(Moments.MaxRestorePoints); count > 0; count--)
        {
            moments.Add(new RestorePoint(ReadPosition(reader, segmentEnd), ReadTime(reader, ref time), Encoding.UTF8.GetString(reader.Bytes(MaxName))));
        }
        for (var count = reader.Number(Moments.MaxCheckpoints); count > 0; count--)
        {
            moments.Add(new CheckpointMoment(
                ReadPosition(reader, segmentEnd), new(reader.Number64()), ReadTime(reader, ref time), reader.Byte() == 1, reader.Number64()));
        }
        for (var count = reader.Number(Moments.MaxSwitches); count > 0; count--)
        {
            moments.Add(new TimelineSwitch(ReadPosition(reader, segmentEnd), new(ReadUInt(reader)), new(ReadUInt(reader)), ReadTime(reader, ref time)));
        }
        ReadLosses(name, reader, moments, segmentEnd, ref time);
        for (var count = reader.Number(Moments.MaxCreators); count > 0; count--)
        {
            moments.AddCreator(ReadUInt(reader));
        }
        if (buffered.ReadByte() >= 0)
        {
            throw Record.Damaged(name, "bytes follow its last transaction");
        }
    }

    static void WriteLosses(VarintWriter writer, Moments moments, Lsn segmentEnd, ref TimestampTz time)
    {
        writer.Number(moments.Losses.Count);
        foreach (var loss in moments.Losses)
        {
            writer.Byte((byte)loss.Kind);
            writer.Number(segmentEnd - loss.Position);
            writer.Byte(loss.Time is null ? (byte)0 : (byte)1);
            if (loss.Time is { } known)
            {
                WriteTime(writer, known, ref time);
            }
            writer.Number(loss.Xid);
            writer.Number(loss.Tablespace);
            writer.Number(loss.Database);
            writer.Number(loss.Relation);
            writer.Number(loss.Block);
        }
    }

    static void ReadLosses(string name, VarintReader reader, Moments moments, Lsn segmentEnd, ref TimestampTz time)
    {
        for (var count = reader.Number(Moments.MaxLosses); count > 0; count--)
        {
            var kind = (LossKind)reader.Byte();
            if (kind is < LossKind.Dropped or > LossKind.DatabaseMoved)
            {
                throw Record.Damaged(name, $"there is no loss of kind {(byte)kind}");
            }
            var position = ReadPosition(reader, segmentEnd);
            TimestampTz? at = reader.Byte() == 0 ? null : ReadTime(reader, ref time);
            moments.Add(new RelationLoss(position, at, ReadUInt(reader), kind, ReadUInt(reader), ReadUInt(reader), ReadUInt(reader), ReadUInt(reader)));
        }
    }

    // Times by their distance from the one before, which may be negative: 0, -1, 1, -2 … as 0, 1, 2, 3 …
    static void WriteTime(VarintWriter writer, TimestampTz time, ref TimestampTz last)
    {
        var distance = time.Microseconds - last.Microseconds;
        writer.Number((distance << 1) ^ (distance >> 63));
        last = time;
    }

    static TimestampTz ReadTime(VarintReader reader, ref TimestampTz last)
    {
        var folded = reader.Number64();
        last = new(last.Microseconds + ((long)(folded >> 1) ^ -(long)(folded & 1)));
        return last;
    }

    static Lsn ReadPosition(VarintReader reader, Lsn segmentEnd) => segmentEnd + -reader.Number(MaxBack);

    static uint ReadUInt(VarintReader reader) => (uint)reader.Number(uint.MaxValue);
}

using System.Text;

namespace Barkeep.Wal;

/// <summary>
/// The content of a backup_label file: where replay of a backup begins (xlogbackup.c, build_backup_content; the reader is
/// xlogrecovery.c, read_backup_label).
/// </summary>
/// <param name="Start">START WAL LOCATION: the redo position of the backup's first checkpoint.</param>
/// <param name="StartSegment">The segment named beside it.</param>
/// <param name="Checkpoint">CHECKPOINT LOCATION: that checkpoint's record.</param>
/// <param name="Timeline">START TIMELINE, or the segment's when that line is missing.</param>
/// <param name="FromStandby">BACKUP FROM: taken from a standby instead of the primary.</param>
/// <param name="Label">LABEL: the name given to pg_backup_start.</param>
/// <param name="StartTime">START TIME as written: in the server's log_timezone, which the text only abbreviates.</param>
public sealed record BackupLabel(
    Lsn Start, SegmentName StartSegment, Lsn Checkpoint, TimelineId Timeline, bool FromStandby, string Label, string StartTime)
{
    /// <exception cref="FormatException">A needed line is missing or cannot be read.</exception>
    public static BackupLabel Parse(ReadOnlySpan<byte> content)
    {
        var lines = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in Encoding.UTF8.GetString(content).Split('\n'))
        {
            var colon = line.IndexOf(": ", StringComparison.Ordinal);
            if (colon > 0)
            {
                lines.TryAdd(line[..colon], line[(colon + 2)..].TrimEnd('\r'));
            }
        }

        var (start, segment) = StartOf(Needed(lines, "START WAL LOCATION"));
        var checkpoint = Needed(lines, "CHECKPOINT LOCATION");
        var timeline = segment.Timeline;
        if (lines.TryGetValue("START TIMELINE", out var number))
        {
            timeline = TimelineId.TryParse(number, out var value) ? value : throw Unreadable("START TIMELINE", number);
        }
        return new(
            start,
            segment,
            Lsn.TryParse(checkpoint, out var lsn) ? lsn : throw Unreadable("CHECKPOINT LOCATION", checkpoint),
            timeline,
            lines.GetValueOrDefault("BACKUP FROM") == "standby",
            lines.GetValueOrDefault("LABEL", ""),
            lines.GetValueOrDefault("START TIME", ""));
    }

    // 0/2000028 (file 000000010000000000000002)
    static (Lsn Start, SegmentName Segment) StartOf(string text)
    {
        const string Before = " (file ";
        var space = text.IndexOf(Before, StringComparison.Ordinal);
        return space > 0 && text.EndsWith(')')
            && Lsn.TryParse(text.AsSpan(0, space), out var start)
            && SegmentName.TryParse(text.AsSpan((space + Before.Length)..^1), out var segment)
            ? (start, segment)
            : throw Unreadable("START WAL LOCATION", text);
    }

    static string Needed(Dictionary<string, string> lines, string key) =>
        lines.TryGetValue(key, out var value) ? value : throw new FormatException($"backup_label has no line '{key}'");

    static FormatException Unreadable(string key, string value) => new($"backup_label: cannot read '{key}: {value}'");
}

using System.Text;

namespace Barkeep.Wal;

/// <summary>
/// The content of a backup_label file: where replay of a backup begins (xlogbackup.c, build_backup_content; the reader is
/// xlogrecovery.c, read_backup_label).
/// </summary>
/// <param name="Start">START WAL LOCATION: the redo position of the backup's first checkpoint.</param>
/// <param name="Checkpoint">CHECKPOINT LOCATION: where that checkpoint's record begins.</param>
/// <param name="Timeline">START TIMELINE, or that of the segment named beside the position when that line is missing.</param>
/// <param name="FromStandby">BACKUP FROM: taken from a standby instead of the primary.</param>
public readonly record struct BackupLabel(Lsn Start, Lsn Checkpoint, TimelineId Timeline, bool FromStandby)
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

        var (start, timeline) = StartOf(Needed(lines, "START WAL LOCATION"));
        var location = Needed(lines, "CHECKPOINT LOCATION");
        if (!Lsn.TryParse(location, out var checkpoint))
        {
            throw Unreadable("CHECKPOINT LOCATION", location);
        }
        if (lines.TryGetValue("START TIMELINE", out var number) && !TimelineId.TryParse(number, out timeline))
        {
            throw Unreadable("START TIMELINE", number);
        }
        return new(start, checkpoint, timeline, lines.GetValueOrDefault("BACKUP FROM") == "standby");
    }

    // 0/2000028 (file 000000010000000000000002)
    static (Lsn Start, TimelineId Timeline) StartOf(string text)
    {
        const string Before = " (file ";
        var space = text.IndexOf(Before, StringComparison.Ordinal);
        return space > 0 && text.EndsWith(')')
            && Lsn.TryParse(text.AsSpan(0, space), out var start)
            && SegmentName.TryParse(text.AsSpan((space + Before.Length)..^1), out var segment)
            ? (start, segment.Timeline)
            : throw Unreadable("START WAL LOCATION", text);
    }

    static string Needed(Dictionary<string, string> lines, string key) =>
        lines.TryGetValue(key, out var value) ? value : throw new FormatException($"backup_label has no line '{key}'");

    static FormatException Unreadable(string key, string value) => new($"backup_label: cannot read '{key}: {value}'");
}

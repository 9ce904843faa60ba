using Barkeep.Common;

namespace Barkeep.Wal;

/// <summary>The name of a file that PostgreSQL archives or asks back, as <c>%f</c> stands for it in its commands.</summary>
/// <param name="Segment">The segment that it belongs to; of a history file only the timeline counts.</param>
/// <param name="Text">As it was written.</param>
public readonly record struct WalFileName(WalFileKind Kind, SegmentName Segment, string Text)
{
    const string PartialSuffix = ".partial";
    const string HistorySuffix = ".history";
    const string BackupSuffix = ".backup";
    const int SegmentLength = 24;
    const int OffsetLength = 8;

    public TimelineId Timeline => Segment.Timeline;

    /// <exception cref="BarkeepException">BadWalName: PostgreSQL has no such file.</exception>
    public static WalFileName Parse(string text) =>
        TryParse(text, out var name) ? name : throw new BarkeepException(ErrorKind.BadWalName, $"'{text}' is not a valid WAL file name", "24 hex digits, as in pg_wal; or 00000002.history");

    /// <returns>False when PostgreSQL has no such file.</returns>
    public static bool TryParse(string text, out WalFileName name)
    {
        name = default;
        if (text.EndsWith(HistorySuffix, StringComparison.Ordinal))
        {
            if (!TimelineId.TryParseHex(text.AsSpan(..^HistorySuffix.Length), out var timeline))
            {
                return false;
            }
            name = new(WalFileKind.History, new(timeline, 0, 0), text);
            return true;
        }
        if (text.Length < SegmentLength || !SegmentName.TryParse(text.AsSpan(..SegmentLength), out var segment))
        {
            return false;
        }
        var rest = text.AsSpan(SegmentLength..);
        WalFileKind? kind = rest switch
        {
            "" => WalFileKind.Segment,
            PartialSuffix => WalFileKind.Partial,
            _ when rest.Length == 1 + OffsetLength + BackupSuffix.Length && rest[0] == '.' && TimelineId.IsUpperHex(rest[1..(1 + OffsetLength)])
                && rest.EndsWith(BackupSuffix, StringComparison.Ordinal) => WalFileKind.BackupHistory,
            _ => null,
        };
        name = new(kind ?? default, segment, text);
        return kind is not null;
    }

    public override string ToString() => Text;
}

using System.Globalization;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>WAL that was not received, and never will be: no restore crosses it.</summary>
/// <param name="From">The first position that is missing.</param>
/// <param name="To">The first position that is there again.</param>
/// <param name="Reason">What happened, for people.</param>
public sealed record Gap(TimelineId Timeline, Lsn From, Lsn To, string Reason, DateTimeOffset FoundAt)
{
    /// <summary>The last part of the object's name.</summary>
    internal string ObjectName => string.Create(CultureInfo.InvariantCulture, $"{Timeline.Hex}-{From.Value:X16}-{To.Value:X16}");

    internal static bool TryParseName(ReadOnlySpan<char> name, out TimelineId timeline, out Lsn from, out Lsn to)
    {
        from = to = default;
        if (name.Length != 42 || name[8] != '-' || name[25] != '-'
            || !TimelineId.TryParseHex(name[..8], out timeline)
            || !ulong.TryParse(name[9..25], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var first)
            || !ulong.TryParse(name[26..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var last)
            || last <= first)
        {
            timeline = default;
            return false;
        }
        (from, to) = (new(first), new(last));
        return true;
    }

    public override string ToString() => $"{From} to {To} on timeline {Timeline}: {Reason}";
}

using System.Text;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Wal;

namespace Barkeep.Tests.Received;

/// <summary>
/// Received WAL in words: segments of 1 MiB as <c>timeline:number</c>, with <c>+bytes</c> when they are the tail, <c>~</c> when partial, <c>!</c> when damaged; histories as
/// <c>2: 1 0/400100</c>, the ancestors with where they were left; gaps as <c>1 0/300000 0/400000</c>.
/// </summary>
static class WrittenSegments
{
    public static readonly SegmentSize Size = new(1 << 20);

    public static ReceivedWal Wal(string received, string[] histories, params string[] gaps) => new(
        received.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(static s => !s.EndsWith('!')).Select(Segment),
        histories.Select(History),
        [.. gaps.Select(Gap)],
        Size)
    {
        Damaged = received.Split(' ').Where(static s => s.EndsWith('!')).Select(static s => Segment(s.TrimEnd('!')).Name).ToHashSet(),
    };

    static Gap Gap(string text)
    {
        var parts = text.Split(' ');
        return new(new(uint.Parse(parts[0])), Lsn.Parse(parts[1]), Lsn.Parse(parts[2]), "the slot was lost", SmallRepository.Clock);
    }

    static ReceivedSegment Segment(string text)
    {
        var parts = text.TrimEnd('~').Split(':', '+');
        var name = SegmentName.Of(new(uint.Parse(parts[0])), ulong.Parse(parts[1]), Size);
        return text.EndsWith('~') ? new(name, WalPlace.Partial, Size.Bytes, false, Size.Bytes)
            : parts.Length == 3 ? new(name, WalPlace.Spool, long.Parse(parts[2]), false, long.Parse(parts[2]))
            : new(name, WalPlace.Repository, Size.Bytes, true, Size.Bytes);
    }

    static TimelineHistory History(string text)
    {
        var parts = text.Split(':');
        var lines = parts[1].Split(',').Select(l => $"{l.Trim().Replace(' ', '\t')}\treason\n");
        return TimelineHistory.Parse(new(uint.Parse(parts[0])), Encoding.ASCII.GetBytes(string.Concat(lines)));
    }
}

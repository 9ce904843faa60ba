using System.Globalization;
using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>Where recovery is to stop: what PostgreSQL's recovery_target settings say. Prints itself for people.</summary>
public sealed record RecoveryTarget
{
    RecoveryTarget(RecoveryTargetKind kind) => Kind = kind;

    public RecoveryTargetKind Kind { get; }

    /// <summary>Of <see cref="RecoveryTargetKind.Time"/>, whole microseconds.</summary>
    public DateTimeOffset Time { get; private init; }

    /// <summary>Of <see cref="RecoveryTargetKind.Xid"/>: a transaction that is no part of another one. PostgreSQL compares these 32 bits alone.</summary>
    public uint Xid { get; private init; }

    /// <summary>Of <see cref="RecoveryTargetKind.Lsn"/>.</summary>
    public Lsn Lsn { get; private init; }

    /// <summary>Of <see cref="RecoveryTargetKind.Name"/>; empty for all others.</summary>
    public string Name { get; private init; } = "";

    /// <summary>Whether what is exactly at the target is still replayed (recovery_target_inclusive). Counts for a time, a transaction and a position.</summary>
    public bool IsInclusive { get; init; } = true;

    public static RecoveryTarget Immediate { get; } = new(RecoveryTargetKind.Immediate);

    /// <summary>PostgreSQL's times have microseconds: less is cut off.</summary>
    public static RecoveryTarget AtTime(DateTimeOffset time) =>
        new(RecoveryTargetKind.Time) { Time = new(time.Ticks - (time.Ticks % TimeSpan.TicksPerMicrosecond), time.Offset) };

    public static RecoveryTarget AtXid(uint xid) => new(RecoveryTargetKind.Xid) { Xid = xid };

    public static RecoveryTarget AtLsn(Lsn lsn) => new(RecoveryTargetKind.Lsn) { Lsn = lsn };

    public static RecoveryTarget AtName(string name) => new(RecoveryTargetKind.Name) { Name = name };

    /// <summary>What the setting of its kind is set to.</summary>
    public string Value => Kind switch
    {
        RecoveryTargetKind.Immediate => "immediate",
        RecoveryTargetKind.Time => string.Create(CultureInfo.InvariantCulture, $"{Time:yyyy-MM-dd HH:mm:ss.FFFFFFzzz}"),
        RecoveryTargetKind.Xid => Xid.ToString(CultureInfo.InvariantCulture),
        RecoveryTargetKind.Lsn => Lsn.ToString(),
        _ => Name,
    };

    public override string ToString() => Kind switch
    {
        RecoveryTargetKind.Immediate => Value,
        RecoveryTargetKind.Time => $"time {Value}",
        RecoveryTargetKind.Xid => $"transaction {Value}",
        RecoveryTargetKind.Lsn => $"LSN {Value}",
        _ => $"restore point '{Value}'",
    };
}

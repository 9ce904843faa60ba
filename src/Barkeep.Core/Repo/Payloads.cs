namespace Barkeep.Repo;

/// <summary>The payloads of records as the repository stores them: strings and numbers only, so that the format is plain to see.</summary>
static class Payloads
{
    internal sealed record FormatPayload;

    internal sealed record LineagePayload(string SystemId, int MajorVersion, int SegmentSize, DateTimeOffset Since);

    internal sealed record GapPayload(string Reason, DateTimeOffset FoundAt);

    internal sealed record IdPayload(DateTimeOffset GivenAt);

    internal sealed record StartedPayload(DateTimeOffset StartedAt, string Host, int ProcessId, string Program);

    internal sealed record CompletePayload(DateTimeOffset CompletedAt);

    internal sealed record FailedPayload(DateTimeOffset FailedAt, string Reason, string Kind);

    internal sealed record KeepPayload(DateTimeOffset KeptAt);

    internal sealed record DamagedWalPayload(string Name, string How);

    internal sealed record WalPayload(string Name, long Length);

    internal sealed record ChangesPayload(string Name, int SegmentSize, bool IsWhole, string? Everything);

    // Times as they are in the WAL: microseconds since 2000-01-01 UTC.
    internal sealed record MomentsPayload(
        string Name, int SegmentSize, bool IsWhole, string FirstRecord, string LastRecord, long Commits, long Aborts,
        long LeastTime, long GreatestTime, uint LeastXid, uint GreatestXid, CommitPayload? LastCommit, long RestorePoints, long Switches, long Losses);

    internal sealed record CommitPayload(string Position, string End, long Time, uint Xid);
}

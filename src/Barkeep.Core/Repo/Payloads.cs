namespace Barkeep.Repo;

/// <summary>The payloads of records as the repository stores them: strings and numbers only, so that the format is plain to see.</summary>
static class Payloads
{
    internal sealed record FormatPayload;

    internal sealed record LineagePayload(string SystemId, int MajorVersion, int SegmentSize, DateTimeOffset Since);

    internal sealed record GapPayload(string Reason, DateTimeOffset FoundAt);

    internal sealed record StartedPayload(DateTimeOffset StartedAt, string Host, int ProcessId, string Program);

    internal sealed record CompletePayload(DateTimeOffset CompletedAt);

    internal sealed record FailedPayload(DateTimeOffset FailedAt, string Reason, string Kind);

    internal sealed record WalPayload(string Name, long Length);

    internal sealed record ChangesPayload(string Name, int SegmentSize, bool IsWhole, string? Everything);
}

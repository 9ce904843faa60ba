using Barkeep.Received;

namespace Barkeep.Health;

/// <summary>Whether a receiver does its work: the lock alone proves nothing, since a stopped or stuck process holds it too.</summary>
public static class ReceiverVerdict
{
    /// <summary>A receiver that streams notes its state every second; silence as long as this means that it is stuck.</summary>
    static readonly TimeSpan Freshness = TimeSpan.FromSeconds(15);

    public static bool IsStreaming(HealthFacts facts) => WhatIsWrong(facts) is null;

    /// <summary>Null when it streams.</summary>
    public static string? WhatIsWrong(HealthFacts facts)
    {
        if (!facts.ReceiverRuns)
        {
            return "it does not run; cron starts it";
        }
        if (facts.Receiver is not { } state)
        {
            return "it has not told its state yet";
        }
        var silence = facts.Now - state.UpdatedAt;
        return state.Phase switch
        {
            ReceiverPhase.Streaming when silence <= Freshness => null,
            ReceiverPhase.Streaming => $"process {state.ProcessId} holds the lock, but has made no sign of life for {silence.TotalSeconds:0} s; end it, and cron starts another",
            ReceiverPhase.Starting => "it is starting",
            ReceiverPhase.DiskFull => $"it has stopped acknowledging because the disk is full: {state.Reason}",
            _ => state.Reason ?? "it is not streaming",
        };
    }
}

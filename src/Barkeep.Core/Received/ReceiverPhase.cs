namespace Barkeep.Received;

/// <summary>What a receiver is doing.</summary>
public enum ReceiverPhase
{
    /// <summary>Connecting, comparing what is held with what the server has.</summary>
    Starting,

    /// <summary>Receiving; on an idle server, ready to.</summary>
    Streaming,

    /// <summary>Not receiving, for a reason that is told; it tries again by itself.</summary>
    Waiting,

    /// <summary>Not receiving until there is room on the disk; connected all the same.</summary>
    DiskFull,

    /// <summary>Ended in an orderly way.</summary>
    Stopped,
}

namespace Barkeep.Common;

/// <summary>
/// An expected failure, told to the user in one line: what went wrong and where, then what to do.
/// Carries no secrets: callers never put a password or a connection string into a message.
/// </summary>
public sealed class BarkeepException(ErrorKind kind, string message, string? hint = null, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>The kind; its number is the exit code.</summary>
    public ErrorKind Kind { get; } = kind;

    /// <summary>What the user can do about it; null when there is nothing to add.</summary>
    public string? Hint { get; } = hint;

    /// <summary>The one line that the user reads: the message, then the hint.</summary>
    public string Line => Hint is null ? Message : $"{Message} ({Hint})";
}

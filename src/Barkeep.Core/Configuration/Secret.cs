namespace Barkeep.Configuration;

/// <summary>A password. It prints as stars, so that no log, message or dump can show it by accident.</summary>
public sealed class Secret(string value)
{
    /// <summary>The absence of a password.</summary>
    public static readonly Secret None = new("");

    public bool IsEmpty => value.Length == 0;

    /// <summary>The password itself: for the authentication exchange only.</summary>
    public string Reveal() => value;

    public override string ToString() => IsEmpty ? "" : "********";
}

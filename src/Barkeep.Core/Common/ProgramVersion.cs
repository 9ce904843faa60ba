namespace Barkeep.Common;

/// <summary>The version of this program.</summary>
public static class ProgramVersion
{
    /// <summary><c>1.2.3</c>.</summary>
    public static string Number { get; } = typeof(ProgramVersion).Assembly.GetName().Version?.ToString(3) ?? "";

    /// <summary>As what is stored names what made it: <c>barkeep 1.2.3</c>.</summary>
    public static string Signature { get; } = $"barkeep {Number}";
}

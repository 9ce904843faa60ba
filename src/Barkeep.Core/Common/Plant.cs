namespace Barkeep.Common;

/// <summary>Hunt only.</summary>
public static class Plant
{
    public static readonly string Id = Environment.GetEnvironmentVariable("BARKEEP_PLANT") ?? "";

    public static bool Is(string id) => Id == id;
}

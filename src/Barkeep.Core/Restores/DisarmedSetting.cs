namespace Barkeep.Restores;

/// <summary>A setting of the original that the restored cluster must not have: it would reach out to the original's surroundings, or keep PostgreSQL from starting.</summary>
/// <param name="OldValue">Without passwords.</param>
/// <param name="Where">The file and line that set it, or "server" when it was set elsewhere.</param>
/// <param name="NewValue">Null when it is left out.</param>
public sealed record DisarmedSetting(string Name, string OldValue, string Where, string? NewValue);

namespace Barkeep.Verification;

/// <summary>How far a verification has come, in bytes of pages and WAL as they are once decompressed.</summary>
public readonly record struct VerificationProgress(long Done, long Total);

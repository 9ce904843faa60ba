using System.Text.Json.Serialization;

namespace Barkeep.Configuration;

/// <summary>How the local JSON files become values and back, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(Installation))]
[JsonSerializable(typeof(SetupFile))]
sealed partial class ConfigJson : JsonSerializerContext;
